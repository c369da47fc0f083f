"""The public ``estimate``: from data and a question to an Effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from whydrift.discovery.errors import OptionError, unknown_name
from whydrift.discovery.graph import Graph
from whydrift.discovery.snapshot.note import Note
from whydrift.effects.check import Check
from whydrift.effects.columns import level_text
from whydrift.effects.covariates import columns_named
from whydrift.effects.frame import as_table
from whydrift.effects.interference.doubt import neighbours_check
from whydrift.effects.method import Method
from whydrift.effects.panel.design import panel_design
from whydrift.effects.parameters import parameters_of
from whydrift.effects.question import Question
from whydrift.effects.registry import Row, method_row
from whydrift.effects.study import Roles, Study
from whydrift.effects.treatment_kind import TreatmentKind
from whydrift.effects.words import joined, percent

if TYPE_CHECKING:
    import pyarrow as pa

    from whydrift.effects.effect import Effect
    from whydrift.effects.table import Table

__all__ = ["Plan", "Prepared", "estimate", "prepare"]

_WORST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Prepared:
    """An estimate before it is made: the data read, the method chosen.

    Parameters
    ----------
    study : Study
    question : Question
    row : Row
        Of the method.
    method : Method
    plan : Plan
        What was chosen for the user, and why.
    """

    study: Study
    question: Question
    row: Row
    method: Method
    plan: Plan

    def estimate(self) -> Effect:
        """Return the effect, with what led to it."""
        found = self.method.estimate(self.study, self.question)
        plan = self.plan
        return replace(
            found,
            reason=found.reason or plan.reason,
            checks=(
                *plan.checks, *_missing_rows(self.study), *found.checks, *self._interference(),
            ),
            warnings=tuple(dict.fromkeys((*plan.notes, *self.study.notes, *found.warnings))),
            details={**found.details, **plan.details},
        )  # fmt: skip

    def _interference(self) -> tuple[Check, ...]:
        """Ask whether rows of one cluster touch each other, where the method takes it that not."""
        if self.row.by_graph != "back_door":
            return ()
        return neighbours_check(self.study, self.question)


def prepare(
    data: Any,
    treatment: str,
    outcome: str,
    *,
    method: str = "auto",
    graph: Graph | Mapping[str, Any] | Iterable[tuple[str, str]] | None = None,
    adjustment: Sequence[str] | str | None = None,
    instrument: Sequence[str] | str | None = None,
    running: str | None = None,
    unit: str | None = None,
    time: str | None = None,
    cluster: str | None = None,
    control: Any = None,
    arm: Any = None,
    estimand: str = "auto",
    units: str = "",
    level: float = 0.95,
    random_state: int = 0,
    force: bool = False,
    **options: Any,
) -> Prepared:
    """Read data and choose a method, as `estimate` does, which says what the parameters are."""
    _check_numbers(level, random_state)
    asked = Roles(
        treatment,
        outcome,
        _names(adjustment),
        _names(instrument),
        running=running,
        unit=unit,
        time=time,
        cluster=cluster,
    )
    arms = {
        side: None if value is None else level_text(value)
        for side, value in (("control", control), ("arm", arm))
    }
    known = None if graph is None else _as_graph(graph)
    table, mended = as_table(data)
    plan = Plan(asked, method, "", mended)
    if known is not None:
        plan = _by_graph(plan, table, known, has_adjustment=adjustment is not None, force=force)
    has_adjustment = known is not None or adjustment is not None
    plan = _by_arguments(plan)
    chosen = {**options, **plan.options}
    row = None if plan.method == "auto" else method_row(plan.method)
    if row is not None:
        _check_needs(row, plan.roles, has_adjustment=has_adjustment)
        plan = replace(plan, roles=replace(plan.roles, others=_other_columns(row, chosen)))
    study = Study.build(table, plan.roles, **arms)
    if row is None:
        plan, study = _by_time(plan, study, chosen)
        plan = _by_kind(plan, study) if plan.method == "auto" else plan
        row = method_row(plan.method)
    _check_treatment(row, study)
    question = Question(
        _estimand(row, estimand), level, random_state, units or _units(study), force, known
    )
    return Prepared(study, question, row, row.build(chosen), plan)


@parameters_of(prepare)
def estimate(*given: Any, **named: Any) -> Effect:
    """Estimate what a treatment did to an outcome, and say whether to believe it.

    Parameters
    ----------
    data : pandas.DataFrame, polars.DataFrame, pyarrow.Table, mapping of str to columns or path
    treatment, outcome : str
        Columns. See `read_treatment` for which value is control.
    method : str
        ``auto`` takes what the arguments call for, and the effect says why; `method_names` lists
        the others.
    graph : Graph, dict or pairs of (cause, effect), optional
        What causes what: it says what to adjust for, or that the effect cannot be had. A given
        ``adjustment`` or ``instrument`` is held against it.
    adjustment : sequence of str, optional
        Terms to adjust for: columns, ``C(column)`` for a number that names categories,
        ``column^2``, ``a:b``.
    instrument : str or sequence of str, optional
    running : str, optional
        The column that a threshold decides on.
    unit, time : str, optional
        Of a panel: who, and when.
    cluster : str, optional
        Equal values mark rows that belong together; errors allow for it.
    control, arm : optional
        Values of the treatment to compare; others are left out where ``arm`` is given.
    estimand : str
        ``ate``, ``att``, ``atc`` and others, by method; ``auto`` is the method's own.
    units : str
        Of the outcome, for the story.
    level : float
        Of the interval.
    random_state : int
        Seed of splits and draws.
    force : bool
        Give a number although a column adjusted for is an effect of the treatment, or the graph
        says that the effect is not identified; the result still says so.
    **options
        Of the method (see its class); an unknown one is refused.

    Returns
    -------
    Effect

    Raises
    ------
    NotIdentified
        If the graph says that no data could answer; the open path is named.
    SchemaError, OptionError, GraphError, TooFewRows
        If a column, an option or the graph does not fit.
    """
    return prepare(*given, **named).estimate()


@dataclass(frozen=True)
class Plan:
    """What will be done, and why."""

    roles: Roles
    method: str
    reason: str
    notes: tuple[Note, ...] = ()
    checks: tuple[Check, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Table] = field(default_factory=dict)


# ---- choosing ---------------------------------------------------------------------------------
def _by_graph(
    plan: Plan, table: pa.Table, graph: Graph, *, has_adjustment: bool, force: bool
) -> Plan:
    """Return what the graph calls for, or what it says of what the user calls for."""
    from whydrift.effects.identification import judge_given, plan_from_graph

    roles = plan.roles
    takes = "back_door" if plan.method == "auto" else method_row(plan.method).by_graph
    if takes != "nothing" and (has_adjustment or roles.instruments):
        adjusted = columns_named(table, roles.adjustment)
        checks = judge_given(
            graph, roles.treatment, roles.outcome, adjusted, roles.instruments, force=force
        )
        return replace(plan, checks=checks)
    if plan.method == "auto" and (roles.running is not None or roles.unit is not None):
        return plan  # a threshold or a panel stands in for the graph
    found = plan_from_graph(
        graph,
        roles.treatment,
        roles.outcome,
        table.column_names,
        method=plan.method,
        takes=takes,
        force=force,
    )
    if plan.method == "difference_in_means" and found.adjustment:
        found = replace(
            found,
            adjustment=(),
            checks=judge_given(graph, roles.treatment, roles.outcome, (), (), force=force),
        )
    return replace(
        plan,
        roles=replace(
            roles,
            adjustment=found.adjustment or roles.adjustment,
            instruments=found.instruments or roles.instruments,
        ),
        method=found.method,
        reason=found.reason,
        notes=(*plan.notes, *found.notes),
        checks=found.checks,
        options=found.options,
        details=found.details,
    )


def _by_arguments(plan: Plan) -> Plan:
    """Return the method that the arguments call for, where one is not named."""
    if plan.method != "auto":
        return plan
    roles = plan.roles
    for is_given, method, why in (
        (roles.running is not None, "rdd", f"a threshold on {roles.running} decides on it"),
        (bool(roles.instruments), "iv", f"{joined(roles.instruments)} is named as instrument"),
    ):
        if is_given:
            return replace(plan, method=method, reason=f"Method {method}, since {why}")
    return plan  # which one depends on what the treatment is, and on who had it when


def _by_time(plan: Plan, study: Study, options: Mapping[str, Any]) -> tuple[Plan, Study]:
    """Return the method that rows seen over time call for, and the study as it asks for it."""
    found = None if plan.reason else panel_design(study, options)
    if found is None:
        return plan, study
    reason = f"Method {found.method}, since {found.why}"
    notes = (*plan.notes, *found.notes)
    return replace(plan, method=found.method, reason=reason, notes=notes), found.study


def _by_kind(plan: Plan, study: Study) -> Plan:
    """Return the method for what the treatment turns out to be."""
    is_number = study.treatment.kind is TreatmentKind.CONTINUOUS
    if plan.roles.adjustment:
        method = "dml" if is_number else "doubly_robust"
        why = plan.reason or f"Method {method}, since there are columns to adjust for"
        return replace(plan, method=method, reason=why)
    method = "regression_adjustment" if is_number else "difference_in_means"
    if plan.reason:  # the graph says that nothing needs adjusting
        return replace(plan, method=method)
    text = (
        "neither a graph nor columns to adjust for were given: this is the effect only if "
        f"{study.roles.treatment} was decided at random"
    )
    return replace(
        plan,
        method=method,
        reason=f"Method {method}, since nothing to adjust for was given",
        notes=(*plan.notes, Note("assumes_randomised", study.roles.treatment, text)),
    )


# ---- checking ---------------------------------------------------------------------------------
def _check_numbers(level: float, random_state: int) -> None:
    if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level < 1:
        raise OptionError(
            f"{level!r} is not between 0 and 1", where="level", remedy="Give a share such as 0.95"
        )
    is_seed = isinstance(random_state, int) and 0 <= random_state <= _WORST_SEED
    if isinstance(random_state, bool) or not is_seed:
        raise OptionError(
            f"{random_state!r} is no seed",
            where="random_state",
            remedy=f"Give a whole number from 0 to {_WORST_SEED}",
        )


def _check_needs(row: Row, roles: Roles, *, has_adjustment: bool) -> None:
    """Raise where an argument is absent that the method needs, or given that it cannot use."""
    given = {
        "adjustment": bool(roles.adjustment) or has_adjustment,
        "instrument": bool(roles.instruments),
        "running": roles.running is not None,
        "unit": roles.unit is not None,
        "time": roles.time is not None,
        "cluster": roles.cluster is not None,
    }
    for name in row.needs:
        if not given.get(name, True):
            also = " or graph=" if name == "adjustment" else ""
            raise OptionError(
                f"method {row.name!r} needs {name!r}",
                where="estimate",
                remedy=f"Give {name}={also} (on the command line --{_flags(name)}), "
                "or take another method",
            )
    if roles.adjustment and not row.uses_adjustment:
        raise OptionError(
            f"method {row.name!r} adjusts for nothing, but columns to adjust for are given",
            where="adjustment",
            remedy="Leave them out, or take regression_adjustment, which is no less right in an "
            "experiment and often surer",
        )


def _flags(name: str) -> str:
    return {"adjustment": "adjust"}.get(name, name)


def _check_treatment(row: Row, study: Study) -> None:
    kind = study.treatment.kind
    if kind in row.treatments:
        return
    if kind is TreatmentKind.CATEGORIES:
        levels = study.treatment.levels
        raise OptionError(
            f"treatment {study.roles.treatment!r} has {len(levels)} arms "
            f"({joined(levels)}), and method {row.name!r} compares two",
            where="treatment",
            remedy=f"Name two of them: control={levels[0]!r}, arm={levels[1]!r}",
        )
    wanted = " or ".join(kind.value for kind in row.treatments)
    raise OptionError(
        f"treatment {study.roles.treatment!r} is {kind.value}, and method {row.name!r} "
        f"takes a treatment that is {wanted}",
        where="treatment",
        remedy="Name two of its values with control= and arm=, or take regression_adjustment "
        "or dml for amounts",
    )


def _estimand(row: Row, asked: str) -> str:
    if asked == "auto":
        return row.estimands[0]
    if asked not in row.estimands:
        known = ("auto", *row.estimands)
        raise unknown_name("estimand", asked, known=known, where=f"method {row.name!r}")
    return asked


def _missing_rows(study: Study) -> tuple[Check, ...]:
    share = study.share_dropped
    if not share:
        return ()
    text = (
        f"{percent(share)} of the rows have gaps and were left out; if gaps depend on the "
        "outcome, what is left is a selection"
    )
    return (Check.at_most("missing_rows", share, text, warn=0.05, fail=0.5),)


# ---- reading arguments ------------------------------------------------------------------------
def _names(value: Sequence[str] | str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(name) for name in value)


def _units(study: Study) -> str:
    return "in probability" if study.outcome_is_binary else ""


def _other_columns(row: Row, options: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: _names(options[name]) for name in row.columns if options.get(name) is not None}


def _as_graph(graph: Graph | Mapping[str, Any] | Iterable[tuple[str, str]]) -> Graph:
    if isinstance(graph, Graph):
        return graph
    return Graph.from_dict(graph) if isinstance(graph, Mapping) else Graph.from_pairs(graph)
