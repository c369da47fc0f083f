"""Windows whose sample is no longer kept: what is left to say of them.

Which values go together is gone with the rows, and with it every test of a mechanism: nothing can
be told to have moved or not. What was counted is shown beside each column.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from whydrift.discovery.errors import OptionError
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import (
    Action,
    ColumnResult,
    ColumnVerdict,
    Diagnosis,
    ErrorControl,
    ReasonCode,
    Remedy,
    Stage,
    TargetResult,
    Verdict,
    Window,
)
from whydrift.monitor.diagnosis.moment import iso

__all__ = ["counts_only", "with_rows"]

_CODE = ReasonCode.SAMPLE_EXPIRED


def with_rows(
    references: Sequence[Snapshot], weights: Sequence[float] | None
) -> tuple[tuple[Snapshot, ...], Sequence[float] | None, tuple[Note, ...]]:
    """Return the past windows whose rows are still kept, their weights, and a note of the others.

    Raises
    ------
    OptionError
        If there is not a weight for each.
    """
    if weights is not None and len(weights) != len(references):
        raise OptionError(
            f"there are {len(weights)} weights of {len(references)} past windows",
            where="reference_weights",
            remedy="Give one positive number for each past window",
        )
    has_rows = [bool(w.rows) and w.has_sample for w in references]
    kept = tuple(w for w, has in zip(references, has_rows, strict=True) if has)
    if weights is not None:
        weights = [weight for weight, has in zip(weights, has_rows, strict=True) if has]
    gone = sum(not w.has_sample for w in references)
    if not gone:
        return kept, weights, ()
    text = f"{gone} of {len(references)} past windows have no sample any more and are left out"
    return kept, weights, (Note(_CODE.value, None, text),)


def counts_only(
    references: Sequence[Snapshot],
    current: Snapshot,
    *,
    target: str | None,
    prediction: str | None,
    graph: Graph | None,
    level: float,
) -> Diagnosis:
    """Return the diagnosis where no rows are kept of the current window, or of any past one.

    Every column is ``undetermined`` with the reason ``sample_expired``.

    Parameters
    ----------
    references : sequence of Snapshot
    current : Snapshot
    target, prediction : str, optional
    graph : Graph, optional
    level : float

    Raises
    ------
    SchemaError
        If a named column is absent.
    """
    from importlib.metadata import version

    schema = references[-1].schema
    for role, name in (("target", target), ("prediction", prediction)):
        if name is not None:
            schema.require(name, where=role)
    names = tuple(n for n in schema.modelled if n not in current.absent)
    which = "current window" if not current.has_sample else "reference"
    drawn = (graph or Graph(names, ())).with_nodes(n for n in names if n != prediction)
    targets = (target,) if target is not None else drawn.sinks()
    has_labels = target in names and current.summaries[target].count > 0 if target else False
    ends = [t for w in references for t in (w.start, w.end) if t is not None]
    return Diagnosis(
        id=uuid4().hex,
        stage=Stage.LABELS if has_labels else Stage.FEATURES,
        reference=_window(sum(w.rows for w in references), ends),
        current=_window(current.rows, [t for t in (current.start, current.end) if t is not None]),
        target=target,
        prediction=prediction,
        targets={name: TargetResult(Verdict.UNDETERMINED) for name in targets},
        verdict=Verdict.UNDETERMINED,
        faults=(),
        conditional_shift=None,
        shift_type=None,
        summary=f"The rows of the {which} are no longer kept: what moved cannot be told.",
        columns={name: _column(name, references, current, drawn, which) for name in names},
        ranking=(),
        metric=None,
        remedy=Remedy(
            Action.INVESTIGATE,
            text="Build the window again from the data, or compare windows whose sample is kept.",
        ),
        graph=drawn,
        error_control=ErrorControl(level=level, past_windows=len(references)),
        warnings=(
            Note(
                _CODE.value,
                None,
                f"the sample of the {which} has expired: no test was made, and faults were not "
                "looked for",
            ),
        ),
        seconds={"total": 0.0},
        version=version("whydrift"),
    )


def _column(
    name: str, references: Sequence[Snapshot], current: Snapshot, graph: Graph, which: str
) -> ColumnResult:
    return ColumnResult(
        verdict=ColumnVerdict.UNDETERMINED,
        kind=references[-1].schema[name].kind.value,
        parents=graph.parents(name) if name in graph.nodes else (),
        basis="full",
        reason_code=_CODE,
        reason=f"The rows of the {which} are no longer kept{_counted(name, references, current)}.",
    )


def _counted(name: str, references: Sequence[Snapshot], current: Snapshot) -> str:
    """Return what is known from all rows: the mean, or the category whose share changed most."""
    known = [w.summaries[name] for w in references if name in w.summaries]
    before = [s for s in known if s.count]
    now = current.summaries[name]
    if not before or not now.count:
        return ""
    rows = sum(s.count for s in before)
    if now.mean is not None and all(s.mean is not None for s in before):
        mean = sum(s.count * (s.mean or 0.0) for s in before) / rows
        return f"; its mean was {mean:.4g} and is {now.mean:.4g}"
    categories = current.schema[name].categories
    changes = [
        (
            sum(s.category_counts[code] for s in before if code < len(s.category_counts)) / rows,
            count / now.count,
            label,
        )
        for code, (count, label) in enumerate(zip(now.category_counts, categories, strict=False))
    ]
    if not changes:
        return ""
    was, share, label = max(changes, key=lambda change: abs(change[1] - change[0]))
    return f"; {label!r} was {was:.1%} of its values and is {share:.1%}"


def _window(rows: int, moments: Sequence[float]) -> Window:
    if not moments:
        return Window(rows)
    return Window(rows, iso(min(moments)), iso(max(moments)))
