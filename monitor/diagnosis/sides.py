"""Gets the two windows of a comparison ready: roles, common columns, what is odd."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from whydrift.discovery.errors import SchemaError
from whydrift.discovery.snapshot.infer import NO_VALUE
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.schema import Role
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.class_chances import class_chances
from whydrift.monitor.diagnosis.clocks import calendar_names, clock, counts_rows, is_day_of_month
from whydrift.monitor.diagnosis.cut_off import cut_off_notes
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding
from whydrift.monitor.diagnosis.faults.loss_identity import loss_identity
from whydrift.monitor.diagnosis.faults.renamed import written_otherwise
from whydrift.monitor.diagnosis.forgotten_cluster import forgotten_cluster
from whydrift.monitor.diagnosis.interleaving import (
    rows_alike_nearby,
    series_after_series,
    series_side_by_side,
)
from whydrift.monitor.diagnosis.lags import Lag, find_lags
from whydrift.monitor.diagnosis.local_time import UTC, LocalTime
from whydrift.monitor.diagnosis.long_tail import with_tail_pooled
from whydrift.monitor.diagnosis.moved_dates import dates_that_moved
from whydrift.monitor.diagnosis.outcome import made_of_outcome
from whydrift.monitor.diagnosis.row_order import shuffled, sorted_by
from whydrift.monitor.diagnosis.words import rows_text

__all__ = ["Sides", "check_values", "prepare", "unusable"]

_LEAST_ROWS = 20
_MOST_NEW = 0.02  # of the rows, of new categories that are no fault
_LEAST_OF_A_CATEGORY = 10  # rows: with fewer of some that are known, new ones are no news


@dataclass(frozen=True)
class Sides:
    """The two windows with roles set, and the columns that both have."""

    reference: Snapshot
    current: Snapshot
    names: tuple[str, ...]
    has_labels: bool
    notes: tuple[Note, ...]
    cluster: str | None = None  # named, or seen
    clocks: tuple[str, ...] = ()  # columns left out since their values are new as time went by
    calendar: frozenset[str] = frozenset()  # columns of which the row's time says what they are
    lags: Mapping[str, Lag] = field(default_factory=dict)  # columns that are others of rows before
    turns: tuple[int, int] = (1, 1)  # series that took turns, and stand one after the other


def prepare(
    reference: Snapshot,
    current: Snapshot,
    target: str | None,
    prediction: str | None,
    cluster: str | None,
    keep_order: bool = False,
    named: Collection[str] = (),
    local: LocalTime = UTC,
) -> Sides:
    """Check what is named, set roles, and find the columns that can be compared.

    With ``keep_order`` rows stay in their order, as those of several past windows have to. Columns
    that are ``named`` in a graph stay what they are there. Columns of the calendar are those that
    say what clocks of ``local`` do.

    Raises
    ------
    SchemaError
        If a named column is absent or unfit, or nothing can be compared.
    """
    given = reference, current
    reference, current = _with_roles(reference, current, target, prediction, cluster)
    has_labels = target is not None and _present(current, target)
    notes = [*_told("reference", reference), *_told("current", current)]
    if target is not None and not has_labels:
        text = f"{_why_absent(current, target)}: judged on features only"
        notes.append(Note("target_missing", target, text))
    notes += _infinite(current, {(note.code, note.column) for note in notes})
    names, clocks, odd = _comparable(reference, current, target, named, local)
    notes += odd
    # Labels that are joined later: an empty column of them says what none says.
    if not has_labels and target in names and not current.summaries[target].misfit:
        names = [n for n in names if n != target] or names
    if target is not None and prediction is not None and reference.has(target):
        made = _made_of_outcome(reference, names, target, prediction, named)
        names = [n for n in names if n not in made]
        notes += made.values()
        reference, current = _with_loss(reference, current, tuple(made))
    if prediction is not None and reference.has(prediction):
        outputs = _class_chances(reference, names, target, prediction, named)
        names = [n for n in names if n not in outputs] or names
        notes += outputs.values()
    others = tuple(n for n in names if n != target)
    forgotten = forgotten_cluster(reference, current, others) if cluster is None else None
    if forgotten is not None:
        whose = forgotten.name
        is_taken = forgotten.is_clear and whose not in named and len(names) > 1
        note = _cluster_not_named(whose, is_taken=is_taken)
        if is_taken:
            side = prepare(*given, target, prediction, whose, keep_order, named, local)
            return replace(side, notes=(note, *side.notes))
        notes.append(note)
    if not names:
        raise SchemaError(
            "the two windows have no usable column in common",
            where="compare",
            remedy=f"The reference has {', '.join(reference.schema.names[:10])}; "
            "give windows with the same columns",
        )
    notes += _few_rows(reference, current)
    notes += dates_that_moved(reference, current)
    notes += cut_off_notes(reference, current, names)
    reference, current = with_tail_pooled(reference, current, tuple(names))
    lags = find_lags(reference, current, names)
    turns = (1, 1)
    if not keep_order:
        reference, current, turns, told = _put_in_order(reference, current, tuple(names), cluster)
        notes += told
        if max(turns) > 1:  # series that took turns come one after the other now
            lags = {**find_lags(reference, current, names), **lags}
    return Sides(
        reference,
        current,
        tuple(names),
        has_labels,
        tuple(dict.fromkeys(notes)),
        cluster,
        tuple(clocks),
        calendar_names(reference, current, others, local),
        lags,
        turns,
    )


def _with_roles(
    reference: Snapshot,
    current: Snapshot,
    target: str | None,
    prediction: str | None,
    cluster: str | None,
) -> tuple[Snapshot, Snapshot]:
    """Return the windows with the roles of the columns that were named.

    Raises
    ------
    SchemaError
        If one is absent, unfit for its role, or named twice.
    """
    roles: dict[str, Role] = {}
    for role, name in (
        (Role.TARGET, target),
        (Role.PREDICTION, prediction),
        (Role.CLUSTER, cluster),
    ):
        if name is None:
            continue
        reference.schema.require(name, where=f"{role} (reference)")
        if name in roles:
            raise SchemaError(
                f"{name!r} is named as {roles[name]} and as {role}",
                where=role.value,
                remedy="Name two different columns",
            )
        roles[name] = role
    reference, current = reference.with_roles(roles), current.with_roles(roles)
    _check_clusters(reference, current, cluster)
    for name in (target, prediction):
        if name is not None:
            check_values(reference, name, roles[name].value)
        if name is not None and not reference.schema[name].kind.is_modelled:
            raise SchemaError(
                f"column {name!r} is of the kind {reference.schema[name].kind}",
                where=roles[name].value,
                remedy="Name a column of numbers or categories, or override its kind",
            )
    if prediction is not None and not _present(current, prediction):
        raise SchemaError(
            _why_absent(current, prediction),
            where="prediction",
            remedy="Give predictions in both windows, or name no prediction",
        )
    return reference, current


def check_values(reference: Snapshot, name: str, role: str, where: str = "the reference") -> None:
    """Raise where a column that plays a role has no value in the reference.

    Parameters
    ----------
    reference : Snapshot
    name, role : str
        The column, and what it is named as.
    where : str
        The reference in words, or its file.

    Raises
    ------
    SchemaError
        If it has none.
    """
    if name in reference.schema and reference.schema[name].why == NO_VALUE:
        raise SchemaError(
            f"column {name!r} has no values in {where}",
            where=role,
            remedy="Name a column with values, or give a reference in which it has some",
        )


def _infinite(current: Snapshot, told: Collection[tuple[str, str | None]]) -> list[Note]:
    """Return a note of each column of the current window with infinite values, not told yet."""
    return [
        Note(
            "infinite_values",
            name,
            f"current: {summary.infinite} infinite values in {name!r} are treated as missing",
        )
        for name, summary in current.summaries.items()
        if summary.infinite and ("infinite_values", name) not in told
    ]


def _comparable(
    reference: Snapshot,
    current: Snapshot,
    target: str | None,
    named: Collection[str],
    local: LocalTime,
) -> tuple[list[str], list[str], list[Note]]:
    """Return the columns that can be compared, the clocks that are left out, and what is odd."""
    names: list[str] = []
    clocks: list[str] = []
    notes: list[Note] = []
    for name in reference.schema.modelled:
        if name in current.absent:
            continue  # the target, which may come later, or a fault
        if reference.summaries[name].count == 0 and current.summaries[name].count == 0:
            notes.append(Note("all_missing", name, f"column {name!r} has no usable value"))
        elif (
            reference.is_constant(name)
            and current.is_constant(name)
            and _same(reference, current, name)
        ):
            text = f"column {name!r} is constant and the same in both windows; it is left out"
            notes.append(Note("constant_column", name, text))
        elif name != target and (
            said := clock(reference, current, name, is_named=name in named, local=local)
        ):
            text = (
                f"column {name!r} goes on by itself ({said}): it tells the windows apart, and is "
                "left out; what depends on it looks like a change"
            )
            notes.append(Note("clock_column", name, text))
            clocks.append(name)
        elif name != target and name not in named and counts_rows(reference, current, name):
            text = (
                f"column {name!r} goes on with the rows of each window: how long the windows are "
                "is all that it says, and it is left out"
            )
            notes.append(Note("clock_column", name, text))
            clocks.append(name)
        elif name != target and name not in named and is_day_of_month(reference, current, name):
            text = (
                f"column {name!r} is the day of the month, and one month is longer: it is left out"
            )
            notes.append(Note("clock_column", name, text))
            clocks.append(name)
        else:
            names.append(name)
            notes += _oddities(reference, current, name)
    return names, clocks, notes


def _oddities(reference: Snapshot, current: Snapshot, name: str) -> list[Note]:
    """Return what is odd about a column that is compared all the same."""
    notes: list[Note] = []
    if _lost_zeros(reference, current, name):
        text = (
            f"values of {name!r} have leading zeros in the reference and none in the "
            "current window, where they are numbers: read or write them as text"
        )
        notes.append(Note("leading_zeros_lost", name, text))
    if (new := _new_category(reference, current, name)) is not None:
        notes.append(new)
    if reference.schema[name].kind.is_numeric and reference.is_constant(name):
        text = (
            f"column {name!r} never varied in the reference: judged by the share of rows "
            "with another value"
        )
        notes.append(Note("constant_column", name, text))
    return notes


def _new_category(reference: Snapshot, current: Snapshot, name: str) -> Note | None:
    """Return a note of categories that a reference with a short list of common ones has not.

    In too few rows for a fault: a new shop or release is told, and nothing is to be mended.
    """
    if not reference.schema[name].kind.is_discrete:
        return None
    known = reference.schema[name].categories
    before = [c for c in reference.summaries[name].category_counts[: len(known)] if c]
    after = current.summaries[name]
    new = after.category_counts[len(known) :]
    if not new or min(max(new), min(before, default=0)) < _LEAST_OF_A_CATEGORY:
        return None
    if sum(new) > _MOST_NEW * after.count:
        return None  # a fault
    label = current.schema[name].categories[len(known) + int(np.argmax(new))]
    text = (
        f"{label!r} is new in {name!r}: {max(new):,} rows ({max(new) / after.count:.1%}), and none "
        "of the reference's"
    )
    return Note("new_category", name, text)


def _made_of_outcome(
    reference: Snapshot,
    names: Collection[str],
    target: str,
    prediction: str,
    named: Collection[str],
) -> dict[str, Note]:
    """Return the columns that are made of target and prediction, with what to say of each."""
    schema = reference.schema
    apart = [n for n in names if n != target and n not in named]
    features = [n for n in apart if schema[n].role is Role.FEATURE]
    return {
        name: Note(
            "made_of_outcome",
            name,
            f"column {name!r} is made of {target!r} and {prediction!r}: it is no input, and is "
            "left out",
        )
        for name in made_of_outcome(reference, target, prediction, features)
    }


def _class_chances(
    reference: Snapshot,
    names: Collection[str],
    target: str | None,
    prediction: str,
    named: Collection[str],
) -> dict[str, Note]:
    """Return the chances of which the prediction is the largest, with what to say of each."""
    apart = [n for n in names if n not in {target, prediction} and n not in named]
    features = [n for n in apart if reference.schema[n].role is Role.FEATURE]
    return {
        name: Note(
            "made_by_model",
            name,
            f"column {name!r} is one of the chances of which {prediction!r} is the largest: it is "
            "no input, and is left out",
        )
        for name in class_chances(reference, prediction, features)
    }


def _with_loss(
    reference: Snapshot, current: Snapshot, made: tuple[str, ...]
) -> tuple[Snapshot, Snapshot]:
    """Return the windows with the role of a recorded loss, where one of these columns is one."""
    if reference.schema.with_role(Role.LOSS) is not None:
        return reference, current
    for name in made:
        told = reference.with_roles({name: Role.LOSS})
        if current.has(name) and loss_identity(told) is not None:
            return told, current.with_roles({name: Role.LOSS})
    return reference, current


def _cluster_not_named(whose: str, *, is_taken: bool) -> Note:
    text = f"rows of one {whose!r} resemble each other, and many of its values are new: "
    if is_taken:
        text += (
            "it is taken to say whose rows they are, and errors allow for that; name another "
            "column with --cluster"
        )
    else:
        text += (
            f"errors do not allow for that; if it says whose rows they are, give --cluster {whose}"
        )
    return Note("cluster_not_named", whose, text)


def _few_rows(reference: Snapshot, current: Snapshot) -> list[Note]:
    notes = []
    for label, window in (("reference", reference), ("current", current)):
        if window.rows < _LEAST_ROWS:
            rows = rows_text(window.rows)
            text = f"the {label} window has {rows}: below {_LEAST_ROWS} nothing can be tested"
            notes.append(Note("few_rows", None, text))
    return notes


def _put_in_order(
    reference: Snapshot, current: Snapshot, names: tuple[str, ...], cluster: str | None
) -> tuple[Snapshot, Snapshot, tuple[int, int], list[Note]]:
    """Return the windows with rows in an order that means something, or in none.

    Also how many series stand one after the other in each.
    """
    has_time = reference.schema.with_role(Role.TIME) is not None
    by = None if has_time else sorted_by((reference, current), names)
    if by is not None:
        text = (
            f"the rows of each window are sorted by {by!r}: their order is taken to mean "
            "nothing (name the time column if they follow each other in time)"
        )
        before, after = (shuffled(w, seed) for seed, w in enumerate((reference, current)))
        return before, after, (1, 1), [Note("rows_sorted", by, text)]
    if cluster is None:
        return _apart(reference, current, names)
    return reference, current, (1, 1), []


def _check_clusters(reference: Snapshot, current: Snapshot, cluster: str | None) -> None:
    """Raise where all rows belong together: nothing could be told from that."""
    if cluster is None or not (reference.has(cluster) and current.has(cluster)):
        return
    keys = np.concatenate([reference.column(cluster), current.column(cluster)])
    if np.isfinite(keys).any() and len(np.unique(keys)) == 1:
        raise SchemaError(
            f"the cluster column {cluster!r} has one value: all rows would belong together",
            where="cluster",
            remedy="Name a column that tells users, sessions or the like apart, or none",
        )


def _why_absent(window: Snapshot, name: str) -> str:
    """Return why a column of the current window has no value that can be used."""
    if name in window.absent:
        other = written_otherwise(window, name)
        asked = "" if other is None else f" (it has {other!r}: did you mean {name!r}?)"
        return f"the current window has no column {name!r}{asked}"
    summary = window.summaries[name]
    if summary.misfit:
        found = "text, no numbers" if summary.storage == "text" else "nested or binary"
        found += f", such as {summary.example!r}" if summary.example else ""
        return f"the {summary.misfit:,} values of {name!r} in the current window are {found}"
    return f"the current window has no values of {name!r}"


def _lost_zeros(reference: Snapshot, current: Snapshot, name: str) -> bool:
    """Whether the reference's texts begin with zeros, and the current values came as numbers."""
    return (
        reference.summaries[name].storage == "text"
        and current.summaries[name].storage == "number"
        and any(c.isdigit() and c[0] == "0" != c for c in reference.schema[name].categories)
    )


def _apart(
    reference: Snapshot, current: Snapshot, names: tuple[str, ...]
) -> tuple[Snapshot, Snapshot, tuple[int, int], list[Note]]:
    """Put series that take turns one after the other, so that what is alike stands together."""
    windows = (reference, current)
    series = [series_side_by_side(window, names) for window in windows]
    if max(series) == 1:
        return reference, current, (1, 1), []
    # Of a longer window only a sample is here: what takes turns there shows in the other one. Rows
    # that resemble none lose nothing by other turns, and how long a value stands is alike in both.
    is_whole = [w.rows == len(w.sample) for w in windows]
    seen = max((k for k, whole in zip(series, is_whole, strict=True) if whole), default=1)
    turns = [
        k if whole and (k > 1 or rows_alike_nearby(window, names)) else seen
        for window, k, whole in zip(windows, series, is_whole, strict=True)
    ]
    before, after = (
        w if k == 1 else series_after_series(w, k) for w, k in zip(windows, turns, strict=True)
    )
    text = f"rows resemble those {max(series)} before: {max(series)} series side by side? "
    remedy = "Name the column that tells them apart with --cluster"
    if seen == 1 or before is None or after is None:
        text += "In windows this long errors do not allow for that. "
        return reference, current, (1, 1), [Note("rows_interleaved", None, text + remedy)]
    return before, after, (turns[0], turns[1]), [Note("rows_interleaved", None, text + remedy)]


def _told(side: str, window: Snapshot) -> list[Note]:
    return [replace(n, text=f"{side}: {n.text}") for n in window.notes]


def _present(window: Snapshot, name: str) -> bool:
    return window.has(name) and window.summaries[name].count > 0


def _same(reference: Snapshot, current: Snapshot, name: str) -> bool:
    a, b = reference.summaries[name], current.summaries[name]
    if a.category_counts:
        return list(np.flatnonzero(a.category_counts)) == list(np.flatnonzero(b.category_counts))
    if a.low is None or b.low is None:
        return a.low == b.low
    return math.isclose(a.low, b.low, rel_tol=1e-12)


def unusable(findings: tuple[Finding, ...], side: Sides) -> frozenset[str]:
    """Return columns of which nothing usable is left in one of the windows."""
    unreadable = {
        c for f in findings if f.fault.kind is FaultKind.TYPE_CHANGE for c in f.fault.columns
    }
    empty = {
        n for n in side.names if not (_present(side.reference, n) and _present(side.current, n))
    }
    return frozenset(unreadable | empty)
