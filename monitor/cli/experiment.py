"""``whydrift experiment``: before an experiment, how large; after it, whether the draw was kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whydrift.discovery.errors import OptionError
from whydrift.monitor.cli.exits import Status
from whydrift.monitor.cli.options import DATA_HELP, Debug, Json, Query, Quiet

if TYPE_CHECKING:
    from whydrift.effects.check import Check
    from whydrift.effects.experiment.past import Past
    from whydrift.effects.experiment.power import Plan

__all__ = ["EXPERIMENT_VERBS", "experiment", "power", "sample_ratio"]

Shares = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Planned shares of the arms, control first, with commas (default: equal).",
    ),
]


def experiment() -> None:
    """Plan an experiment, and see whether its draw was kept.

    Try:
      whydrift experiment power --effect 0.5 --spread 12
                                                         rows that find such an effect
      whydrift experiment power may.parquet --outcome spend --effect 0.5 --before last_month
                                                         the spread by what was seen before
      whydrift experiment power --rows 20000 --spread 12 the effect that so many rows find
      whydrift experiment sample-ratio 5012 4671         did the draw or the log lose some?

    What came of it: `whydrift effect DATA --method ab_test …`
    """


def power(
    data: Annotated[
        str | None,
        typer.Argument(metavar="[DATA]", help=f"Rows from before, for the spread. {DATA_HELP}"),
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option(metavar="X", help="The smallest difference of means that would matter."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(metavar="N", help="Rows there will be, in all arms together.")
    ] = None,
    spread: Annotated[
        float | None,
        typer.Option(
            metavar="SD", help="Standard deviation of the outcome; of a share p, √(p(1 − p))."
        ),
    ] = None,
    outcome: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The outcome in DATA.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What will be drawn as a whole: a shop, a user."),
    ] = None,
    before: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMNS", help="Known before the draw, to be taken out (CUPED), with commas."
        ),
    ] = None,
    query: Query = None,
    cluster_rows: Annotated[
        float, typer.Option(metavar="N", help="Rows in a cluster, where DATA does not say.")
    ] = 1.0,
    correlation: Annotated[
        float, typer.Option(metavar="R", help="Between two rows of a cluster, likewise.")
    ] = 0.0,
    explained: Annotated[
        float,
        typer.Option(metavar="R2", help="Of the variance, by what is known before, likewise."),
    ] = 0.0,
    shares: Shares = None,
    chance: Annotated[
        float, typer.Option("--power", metavar="P", help="Chance to find it, if it is there.")
    ] = 0.8,
    level: Annotated[float, typer.Option(metavar="P", help="Of the interval.")] = 0.95,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="The interval is to hold at every look.")
    ] = False,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Tell how many rows find an effect, or which effect so many rows find.

    Try:
      whydrift experiment power --effect 0.5 --spread 12
      whydrift experiment power --rows 20000 --spread 12 --sequential
      whydrift experiment power may.parquet --outcome spend --effect 0.5 --cluster shop
      whydrift experiment power may.parquet --outcome spend --effect 0.5 --before last_month
    """
    from whydrift.effects.experiment.power import Plan, detectable_effect, rows_needed
    from whydrift.monitor.cli.outputs import check_outputs

    check_outputs({"--json": json_file}, inputs=() if data is None else (data,))
    _check_question(effect, rows, data, spread, outcome)
    past = None
    if data is not None:
        past = _past(data, query, str(outcome), cluster, _listed(before), quiet)
        spread, explained = past.spread, past.share_explained
        cluster_rows, correlation = past.cluster_rows, past.correlation
    assert spread is not None
    plan = Plan(
        spread=spread, power=chance, level=level, shares=_shares(shares) or (0.5, 0.5),
        cluster_rows=cluster_rows, correlation=correlation, share_explained=explained,
        sequential=sequential,
    )  # fmt: skip
    if effect is not None:
        rows = rows_needed(effect, plan)
    else:
        assert rows is not None
        effect = detectable_effect(rows, plan)
    found = {
        "schema": "whydrift/power/1",
        "effect": effect,
        "rows": rows,
        "arms": [_in_arm(rows, share) for share in plan.shares],
        "power": plan.power,
        "level": plan.level,
        "shares": list(plan.shares),
        "spread": plan.spread,
        "cluster_rows": plan.cluster_rows,
        "correlation": plan.correlation,
        "share_explained": plan.share_explained,
        "sequential": plan.sequential,
        "rows_before": None if past is None else past.rows,
    }
    _answer(found, json_file, quiet, lambda: _power_words(effect, rows, plan, past))
    return Status.NOTHING


def sample_ratio(
    counts: Annotated[
        list[int], typer.Argument(metavar="COUNT...", help="Of each arm, control first.")
    ],
    shares: Shares = None,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> int:
    """Tell whether the arms of an experiment have the sizes that were planned.

    Count what was drawn (users, not their visits). Status 1 where they have not: the draw or the
    log lost some, and no number of that experiment is to be believed before it is known why.

    Try:
      whydrift experiment sample-ratio 5012 4671
      whydrift experiment sample-ratio 9030 1012 --shares 0.9,0.1
    """
    import numpy as np

    from whydrift.effects.check import Outcome
    from whydrift.effects.experiment.sample_ratio import planned_shares, sample_ratio_check
    from whydrift.monitor.cli.outputs import check_outputs

    check_outputs({"--json": json_file}, inputs=())
    if len(counts) < 2 or min(counts) < 0 or not sum(counts):
        raise OptionError(
            f"{' '.join(map(str, counts))} are not the sizes of two arms or more",
            where="COUNT",
            remedy="Give a count for each arm, control first",
        )
    planned = planned_shares(_shares(shares) or "equal", len(counts))
    arms = ["control", *(f"arm {place}" for place in range(1, len(counts)))]
    check = sample_ratio_check(arms, np.array(counts), planned, "units")
    _answer(check.to_dict(), json_file, quiet, lambda: _ratio_words(check))
    return Status.FOUND if check.outcome is Outcome.FAIL else Status.NOTHING


EXPERIMENT_VERBS: Mapping[str, Callable[..., int]] = {
    "power": power,
    "sample-ratio": sample_ratio,
}


def _check_question(
    effect: float | None, rows: int | None, data: str | None, spread: float | None,
    outcome: str | None,
) -> None:  # fmt: skip
    if (effect is None) == (rows is None):
        raise OptionError(
            "one of both is asked for: how many rows, or which effect",
            where="--effect, --rows",
            remedy="Give the effect, or the rows there will be",
        )
    if (data is None) == (spread is None):
        raise OptionError(
            "the spread is given by DATA, or by --spread",
            where="--spread",
            remedy="Give one of the two",
        )
    if data is not None and outcome is None:
        raise OptionError(
            "DATA holds many columns", where="--outcome", remedy="Name the outcome with --outcome"
        )


def _shares(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise OptionError(
            f"{text!r} are no shares", where="--shares", remedy="Write them like 0.5,0.5"
        ) from error


def _listed(names: list[str] | None) -> tuple[str, ...]:
    parts = (part.strip() for text in names or () for part in text.split(","))
    return tuple(part for part in parts if part)


def _past(
    data: str, query: str | None, outcome: str, cluster: str | None, before: tuple[str, ...],
    quiet: bool,
) -> Past:  # fmt: skip
    from whydrift.effects.experiment.past import measure_past
    from whydrift.monitor.cli.data import data_given
    from whydrift.monitor.cli.progress import shown_progress
    from whydrift.monitor.effect_api import rows_of

    with shown_progress(quiet) as progress:
        table, _ = rows_of(data_given(data, query), progress)
        return measure_past(table, outcome, cluster=cluster, before=before)


def _answer(
    found: dict[str, Any], json_file: Any, quiet: bool, words: Callable[[], list[str]]
) -> None:
    import json

    from whydrift.discovery.plain_text import clean
    from whydrift.monitor.cli.outputs import is_standard_output, write_text
    from whydrift.monitor.cli.terminal import console, reader_may_leave

    if json_file is not None:
        write_text(json_file, json.dumps(found, indent=2, ensure_ascii=False) + "\n", "--json")
        if is_standard_output(json_file):
            return
    if not quiet:
        with reader_may_leave():
            for line in words():
                console().print(clean(line), highlight=False, markup=False)


def _in_arm(rows: int, share: float) -> int:
    """Return the rows of an arm: a part of one is one more."""
    return math.ceil(rows * share - 1e-9)


def _power_words(effect: float, rows: int, plan: Plan, past: Past | None) -> list[str]:
    from whydrift.effects.words import joined, number_text, percent

    arms = joined([f"{_in_arm(rows, share):,}" for share in plan.shares])
    looks = ", read at every look" if plan.sequential else ""
    lines = [
        f"{rows:,} rows ({arms}) find an effect of {number_text(effect)} in {percent(plan.power)} "
        f"of experiments, at {percent(plan.level)} confidence{looks}"
    ]
    seen = "" if past is None else f" (by {past.rows:,} rows)"
    lines.append(f"  standard deviation {number_text(plan.spread)}{seen}")
    if plan.cluster_rows > 1:
        lines.append(
            f"  clusters of {number_text(plan.cluster_rows)} rows, two of which correlate by "
            f"{number_text(plan.correlation)}: {rows / plan.cluster_rows:,.0f} clusters"
        )
    if plan.share_explained:
        lines.append(f"  {percent(plan.share_explained)} of the variance taken out beforehand")
    return lines


def _ratio_words(check: Check) -> list[str]:
    from whydrift.effects.story import MARKS

    return [f"{MARKS[check.outcome]} sample ratio: {check.sentence}"]
