"""Categories under new names: a label that replaced another, two that changed places, new ones."""

from __future__ import annotations

from unicodedata import normalize

import numpy as np
from scipy.special import bdtrc, stdtr

from whydrift.discovery.arrays import BoolArray, FloatArray, IntArray
from whydrift.discovery.snapshot.snapshot import OTHER, ColumnSummary, Snapshot
from whydrift.monitor.diagnosis.diagnosis import Fault, FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, Suspects, share_rises
from whydrift.monitor.diagnosis.faults.independent_rows import independent_of_clusters
from whydrift.monitor.diagnosis.faults.late import begins, in_the_last
from whydrift.monitor.diagnosis.faults.profile import context, level_profile
from whydrift.monitor.diagnosis.long_tail import least_kept

__all__ = ["recode"]

_LEAST_SHARE = 0.02
_LEAST_RESPELLED = 10
_MOST_KEPT = 0.2  # of its rows, by a category that was renamed
_LEAST_IN_SPELLS, _LEAST_LASTING = 30, 2.0  # categories, and rows of a spell on average
_MOST_LEVELS = 40
_LEAST_ROWS = 25  # with a value, on each side
_MOST_COMPANIONS = 40
_LEAST_EXPLAINED = 0.5  # of what is beyond chance
_BEYOND_CHANCE = 3.0  # sd of a χ²
_LEAST_GAIN = 25.0  # of a discrepancy that is about χ² distributed
_CROSSED = 1e-3  # chance that shares which changed places in the world are undone


def recode(suspects: Suspects) -> list[Finding]:
    """Find categories that the reference does not know, and labels that changed places.

    Two labels have changed places when exchanging them back brings the shares and the company that
    each label keeps (the means of the other columns) near the reference again: chosen on every
    second row, checked on the others. The company alone has to say so, too: shares that changed
    places may have moved in the world. Looked for in the whole window, then in its later parts:
    from some row on.
    """
    found = []
    company = _Company(suspects)
    for name in suspects.names:
        if not suspects.reference.schema[name].kind.is_discrete:
            continue
        finding = (
            _respelled(suspects, name)
            or _spelt_as_one(suspects, name)
            or _new_category(suspects, name)
            or _exchanged(suspects, name, company)
        )
        if finding:
            found.append(finding)
    return found


def _respelled(suspects: Suspects, name: str) -> Finding | None:
    """Return new categories that differ from a known one in case, blanks or punctuation alone."""
    known = suspects.reference.schema[name].categories
    current, before = suspects.current.summaries[name], suspects.reference.summaries[name]
    categories = suspects.current.schema[name].categories
    plain: dict[str, list[int]] = {}
    for code, label in enumerate(known):
        plain.setdefault(_bare(label), []).append(code)
    meant = {
        code: plain[_bare(label)][0]
        for code, label in enumerate(categories)
        if code >= len(known)
        and current.category_counts[code]
        and len(plain.get(_bare(label), ())) == 1
    }
    count = sum(current.category_counts[code] for code in meant)
    if count < max(_LEAST_RESPELLED, _LEAST_SHARE * current.count):
        return None
    p_value = share_rises(0, max(1, before.count), count, current.count)
    if p_value >= suspects.level / len(suspects.names):
        return None
    codes = suspects.current.column(name)
    repaired = codes.copy()
    for code, whole in meant.items():
        repaired[codes == code] = whole
    example = max(meant, key=lambda code: current.category_counts[code])
    share = count / current.count
    looks_alike = normalize("NFC", categories[example]) == normalize("NFC", known[meant[example]])
    how = ", which only looks the same: another Unicode form" if looks_alike else ""
    evidence = (
        f"{len(meant)} {'category is' if len(meant) == 1 else 'categories are'} spelt otherwise "
        f"than in the reference (such as {categories[example]!r} for "
        f"{known[meant[example]]!r}{how}), in {share:.1%} of the rows"
    )
    fault = Fault(FaultKind.RECODE, (name,), share, evidence, repaired=True)
    return Finding(fault, {name: repaired}, np.isin(codes, list(meant)))


def _spelt_as_one(suspects: Suspects, name: str) -> Finding | None:
    """Return categories of the reference that are written as another one of theirs now.

    What differed in case or blanks alone was tidied up: no row has the one spelling
    any more, and the other has the rows of both. Undone by reading the reference so, too.
    """
    known = suspects.reference.schema[name].categories
    before, current = suspects.reference.summaries[name], suspects.current.summaries[name]
    rows, rows_now = max(1, before.count), max(1, current.count)
    plain: dict[str, list[int]] = {}
    for code, label in enumerate(known):  # that knows both: what punctuation tells apart is apart
        plain.setdefault(_folded(label), []).append(code)
    meant: dict[int, int] = {}
    for codes in plain.values():
        kept = [c for c in codes if current.category_counts[c]]
        if len(kept) == 1:
            gone = [c for c in codes if c != kept[0] and before.category_counts[c]]
            meant |= dict.fromkeys(gone, kept[0])
    count = sum(before.category_counts[code] for code in meant)
    if count < max(_LEAST_RESPELLED, _LEAST_SHARE * rows):
        return None
    limit = suspects.level / len(suspects.names)
    if share_rises(0, rows_now, count, rows) >= limit:
        return None
    wholes = set(meant.values())
    had = count + sum(before.category_counts[code] for code in wholes)
    has = sum(current.category_counts[code] for code in wholes)
    if share_rises(has, rows_now, had, rows) < limit:
        return None  # the one spelling went, and its rows with it
    example = max(meant, key=lambda code: before.category_counts[code])
    share = count / rows
    evidence = (
        f"{known[example]!r} is spelt {known[meant[example]]!r} now, as in other rows before: "
        f"{len(meant)} {'spelling is' if len(meant) == 1 else 'spellings are'} gone that "
        f"{share:.1%} of the reference's rows have"
    )
    usual, own = suspects.reference.column(name), suspects.current.column(name)
    read = usual.copy()
    for code, whole in meant.items():
        read[usual == code] = whole
    fault = Fault(FaultKind.RECODE, (name,), share, evidence, repaired=True)
    return Finding(fault, {name: own}, reference_repairs={name: read})


def _folded(label: str) -> str:
    """Return what is left without case and with single blanks, in one Unicode form."""
    return " ".join(normalize("NFC", label).casefold().split())


def _bare(label: str) -> str:
    """Return what is left without case, blanks and punctuation, which in numbers mean something.

    An accented letter may be one character or two (Unicode's normal forms C and D).
    """
    text = normalize("NFC", label).strip().casefold()
    if any(c.isdigit() for c in text):
        # 1.0 is 1 in a column that had missing values for a while.
        return text.removesuffix(".0") if text[:-2].isdigit() else text
    return "".join(c for c in text if c.isalnum() or c in "+#*") or text  # C is neither C++ nor C#


def _new_category(suspects: Suspects, name: str) -> Finding | None:
    known = suspects.reference.schema[name].categories
    current = suspects.current.summaries[name]
    names = suspects.current.schema[name].categories
    new_counts = current.category_counts[len(known) :]
    rows = max(1, current.count)
    share = sum(new_counts) / rows
    if share < _LEAST_SHARE or sum(new_counts) < 5:
        return None
    new = len(known) + int(np.argmax(new_counts))
    before = suspects.reference.summaries[name]
    single = [c for c, n in zip(new_counts, names[len(known) :], strict=True) if n != OTHER]
    least = least_kept(suspects.reference, name)
    level = suspects.level / len(suspects.names)
    spells = _spells(suspects.reference, name)
    if not _surprising(single, sum(new_counts), rows, before, level, least, spells):
        return None
    vanished = [
        level
        for level, count in enumerate(before.category_counts)
        if count / max(1, before.count) >= _LEAST_SHARE
        and share_rises(current.category_counts[level], rows, count, max(1, before.count))
        < suspects.level / len(suspects.names)
    ]
    codes = suspects.current.column(name)
    for level in vanished:
        had, has = (
            before.category_counts[level] / before.count,
            current.category_counts[level] / rows,
        )
        # One that keeps most of its rows may as well have shared its loss with others.
        is_gone = has < _MOST_KEPT * had
        if len(vanished) == 1 and is_gone and abs(had - has - share) < 0.25 * share + 0.02:
            evidence = (
                f"new category {names[new]!r} in {share:.1%} of the rows, as many as "
                f"{known[level]!r} lost: it looks renamed"
            )
            repaired = np.where(codes == new, float(level), codes)
            fault = Fault(FaultKind.RECODE, (name,), share, evidence, repaired=True)
            return Finding(fault, {name: repaired}, codes == new)
    shown = ", ".join(repr(n) for n in names[len(known) :][:3])
    evidence = f"categories unknown to the reference ({shown}) in {share:.1%} of the rows"
    repaired = np.where(codes >= len(known), np.nan, codes)
    fault = Fault(FaultKind.CATEGORY_SET, (name,), share, evidence)
    return Finding(fault, {name: repaired}, codes >= len(known))


def _surprising(
    single: list[int],
    total: int,
    rows: int,
    before: ColumnSummary,
    level: float,
    least: int | None,
    spells: IntArray | None,
) -> bool:
    """Whether categories that the reference does not know are more than its own long tail.

    The share of rows whose category was not seen before is estimated by that of the categories
    seen once (Good 1953, The population frequencies of species); or else one new category has to
    be so common that the reference would have had it. Where that kept only categories of at
    least so many rows apart, one that it does not know may have had nearly as many. Where the rows
    of each of many categories follow each other, as those of a device or of a user do, it is spells
    that are counted.
    """
    if least is not None:
        often = share_rises(least, max(1, before.count), max(single, default=0), rows)
        return often < level / max(1, len(single))
    known = max(1, before.count)
    once = sum(count == 1 for count in before.category_counts)
    if spells is not None:
        once, lasting = int((spells == 1).sum()), known / int(spells.sum())
        known = int(spells.sum())
        total, rows = int(np.ceil(total / lasting)), int(np.ceil(rows / lasting))
        single = [int(np.ceil(count / lasting)) for count in single]
    unseen = (once + 3 * np.sqrt(once + 1)) / known
    by_chance = float(bdtrc(total - 1, rows, min(1.0, unseen)))
    largest = share_rises(0, known, max(single, default=0), rows)
    return by_chance < level or largest < level / max(1, len(single))


def _spells(window: Snapshot, name: str) -> IntArray | None:
    """Return of how many spells of rows each category is made, or None where rows are in no order.

    Of few categories a sorted table has one spell each, and a new one is new.
    """
    codes = window.column(name)
    if len(codes) < window.rows:
        return None
    codes = codes[np.isfinite(codes)].astype(np.int64)
    first = codes[np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))] if codes.size else codes
    spells = np.bincount(first)
    if (spells > 0).sum() < _LEAST_IN_SPELLS or codes.size < _LEAST_LASTING * first.size:
        return None
    return spells


class _Company:
    """Features of all columns: the reference's, and those of each half of the current rows."""

    def __init__(self, suspects: Suspects) -> None:
        self.suspects = suspects
        self.names = suspects.names[:_MOST_COMPANIONS]
        self._features: dict[tuple[bool, int, int], tuple[FloatArray, IntArray]] = {}

    def profile(
        self, name: str, levels: int, start: int | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return a column's level profile.

        Of the reference, or of every second of the current rows from one on.
        """
        side = (True, 0, 1) if start is None else (False, start, 2)
        features, others = self._of(side, name)
        codes = self._window(side[0]).column(name)[side[1] :: side[2]]
        counts, means = level_profile(codes, levels, features)
        return counts, means[:, others]

    def independence(self, name: str, levels: int) -> float:
        """Return how many independent rows each row counts for, where clusters are known.

        Whose rows they are says what a label keeps company with as well: what a user looks at in a
        dozen rows is one user's.
        """
        known = self.suspects.clusters
        if known is None:
            return 1.0
        return min(
            self._independence(name, levels, keys, is_reference=is_reference)
            for keys, is_reference in zip(known, (True, False), strict=True)
        )

    def _independence(
        self, name: str, levels: int, keys: FloatArray, *, is_reference: bool
    ) -> float:
        features, others = self._of((is_reference, 0, 1), name)
        codes = self._window(is_reference).column(name)
        seen = np.isfinite(codes) & np.isfinite(keys) & (codes < levels)
        if not seen.any():
            return 1.0
        level, user = codes[seen].astype(np.int64), np.unique(keys[seen], return_inverse=True)[1]
        own = np.column_stack([level == k for k in np.unique(level)]) * 1.0
        company = features[seen][:, others]
        counts = np.bincount(level, minlength=levels)
        for k in np.flatnonzero(counts):
            company[level == k] -= company[level == k].mean(axis=0)
        return min(
            independent_of_clusters(own - own.mean(axis=0), user),
            independent_of_clusters(company, user * levels + level),
        )

    def pulls(self, name: str, a: int, b: int) -> FloatArray:
        """Return for each current row how far its company is that of one label and not another.

        What tells both apart in the reference, the means of the other columns, makes one number
        for each row: as far above 0 in rows of ``a`` as below in those of ``b``.

        Returns
        -------
        ndarray of shape (n_current_rows,)
        """
        features, others = self._of((True, 0, 1), name)
        _, means = level_profile(self._window(True).column(name), max(a, b) + 1, features)
        apart = np.where(others, means[a] - means[b], 0.0)
        rows, _ = self._of((False, 0, 1), name)
        out: FloatArray = (rows - 0.5 * (means[a] + means[b])) @ apart
        return out

    def _window(self, is_reference: bool) -> Snapshot:
        return self.suspects.reference if is_reference else self.suspects.current

    def _of(self, side: tuple[bool, int, int], name: str) -> tuple[FloatArray, BoolArray]:
        """Return all features of some rows, and which of them are of other columns."""
        if side not in self._features:
            is_reference, start, step = side
            rows = slice(None) if (start, step) == (0, 1) else slice(start, None, step)
            blocks = context(
                self._window(is_reference), self.names, rows, self.suspects.reference.schema
            )
            owner = np.repeat(np.arange(len(self.names)), [blocks[n].shape[1] for n in self.names])
            self._features[side] = np.column_stack([blocks[n] for n in self.names]), owner
        features, owner = self._features[side]
        own = self.names.index(name) if name in self.names else -1
        return features, owner != own


def _crossed(pulls: FloatArray, codes: FloatArray, a: int, b: int, each: float) -> float:
    """Return the p-value of "the company does not tell two labels apart the other way round".

    It is compared between the current rows of both labels: of how far their shares moved it knows
    nothing, and it is as good for columns that go with each other. Each row counts for ``each``.
    """
    groups = pulls[codes == a], pulls[codes == b]
    if min(g.size for g in groups) < 2 or not np.ptp(pulls) > 0:
        return 1.0
    return _chance_of_less(*groups, each)


def _chance_of_less(low: FloatArray, high: FloatArray, each: float) -> float:
    """Return the p-value of "the mean of the first rows is not below that of the second" (Welch).

    `scipy.stats` has the test, and takes half a second to import.
    """
    sizes = [max(2.0, each * rows.size) for rows in (low, high)]
    parts = [float(v.var(ddof=1)) / n for v, n in zip((low, high), sizes, strict=True)]
    variance = sum(parts)
    if variance <= 0:
        return 1.0
    t = float(low.mean() - high.mean()) / variance**0.5
    freedom = variance**2 / sum(
        part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True)
    )
    return float(stdtr(freedom, t))


def _exchanged(suspects: Suspects, name: str, company: _Company) -> Finding | None:
    """Return labels that changed places in the whole window, or from some row on."""
    levels = len(suspects.reference.schema[name].categories)
    if not 2 <= levels <= _MOST_LEVELS or len(company.names) < 2:
        return None
    codes = suspects.current.column(name)
    later = (start for start, columns in suspects.stepped.items() if name in columns)
    for start in (0, *later):
        found = _exchanged_since(company, name, levels, start)
        if found is None:
            continue
        a, b, gone = found
        since: int | None = 0
        if start:
            sign = np.where(codes == a, -1.0, np.where(codes == b, 1.0, 0.0))
            since = begins(sign * company.pulls(name, a, b), start)
        if since is None:
            continue
        bad = np.arange(len(codes)) >= since
        known = suspects.reference.schema[name].categories
        other = np.where(codes == a, float(b), np.where(codes == b, float(a), codes))
        evidence = (
            f"{known[a]!r} and {known[b]!r} seem to have changed places"
            f"{in_the_last(float(bad.mean()))}: exchanged back, {gone:.0%} of the difference to "
            "the reference is gone"
        )
        share = float((np.isin(codes, (a, b)) & bad).mean())
        fault = Fault(FaultKind.RECODE, (name,), share, evidence, repaired=True)
        return Finding(fault, {name: np.where(bad, other, codes)}, bad if since else None)
    return None


def _exchanged_since(
    company: _Company, name: str, levels: int, start: int
) -> tuple[int, int, float] | None:
    """Return two labels that changed places in the rows from one on, and the share explained."""
    reference, first = company.profile(name, levels), company.profile(name, levels, start)
    if min(reference[0].sum(), first[0].sum()) < _LEAST_ROWS:
        return None
    pairs = np.column_stack(np.triu_indices(levels, 1))
    each = company.independence(name, levels)
    gains = _gain(each * _gaps(reference, first), pairs)
    best = int(np.argmax(gains))
    if gains[best] < _LEAST_GAIN:
        return None
    a, b = (int(level) for level in pairs[best])
    second = company.profile(name, levels, start + 1)
    if second[0].sum() < _LEAST_ROWS:
        return None
    gaps = each * _gaps(reference, second)
    plain, gain = float(np.trace(gaps)), float(_gain(gaps, pairs[[best]])[0])
    # What is left must look like chance: other changes would leave more.
    by_chance = levels - 1 + levels * reference[1].shape[1]
    beyond = plain - by_chance
    if (
        gain < max(_LEAST_GAIN, _LEAST_EXPLAINED * beyond)
        or beyond < _BEYOND_CHANCE * np.sqrt(2 * by_chance)
        or plain - gain > 1.5 * by_chance + 0.05 * plain
    ):
        return None
    pulls = company.pulls(name, a, b)[start:]
    codes = company.suspects.current.column(name)[start:]
    if _crossed(pulls, codes, a, b, each) * len(pairs) >= _CROSSED:
        return None
    return a, b, gain / plain


def _gaps(
    reference: tuple[FloatArray, FloatArray], current: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Return how far each current level's share and means are from those of each of the reference.

    The sum of the diagonal is about χ² where nothing changed, and that of another order of the
    current levels where they changed places so.

    Returns
    -------
    ndarray of shape (n_levels, n_levels)
        A row for each of the reference's levels.
    """
    (counts_a, means_a), (counts_b, means_b) = reference, current
    rows_a, rows_b = counts_a.sum(), counts_b.sum()
    pooled = (counts_a[:, None] + counts_b) / (rows_a + rows_b)
    gap = (counts_a / rows_a)[:, None] - counts_b / rows_b
    shares = gap**2 / np.where(pooled > 0, pooled, 1.0) / (1 / rows_a + 1 / rows_b)
    both = (counts_a > 0)[:, None] & (counts_b > 0)
    weight = both / ((1 / np.maximum(counts_a, 1))[:, None] + 1 / np.maximum(counts_b, 1))
    # The square of a difference, so that no level is set beside each other feature by feature.
    squares = (means_a**2).sum(axis=1)[:, None] + (means_b**2).sum(axis=1)
    apart = np.maximum(squares - 2 * means_a @ means_b.T, 0.0)
    out: FloatArray = shares + weight * apart
    return out


def _gain(gaps: FloatArray, pairs: IntArray) -> FloatArray:
    """Return by how much less the windows differ once two levels are exchanged, for each pair."""
    a, b = pairs.T
    out: FloatArray = gaps[a, a] + gaps[b, b] - gaps[a, b] - gaps[b, a]
    return out
