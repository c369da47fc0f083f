"""Public windows that differ by themselves: what is said of them, beside columns on their own.

Used by real_data.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from methods.univariate import distance, p_value

import whydrift as wd

__all__ = ["SETS", "Judged", "by_set", "judged_windows", "listing", "networks"]

SETS = (
    "bn_asia",
    "bn_cancer",
    "bn_survey",
    "bn_sachs",
    "bn_alarm",
    "gbn_ecoli70",
    "gbn_magic_niab",
    "sachs",
    "tennessee_eastman",
    "algerian_fires",
    "elec2",
    "nannyml_california_housing",
    "nannyml_car_loan",
    "wine_quality",
    "petshop",
)
# What was changed in their windows is known exactly: nothing else may be named.
_EXACT = ("bn_", "gbn_")
# Of the columns of its truth any one is right: the disturbance itself is not measured.
_ANY_OF = ("tennessee_eastman",)
# One column for each metric of each service, edges between services: one metric at a time.
_SERVICES = ("petshop",)
_LEVEL = 0.05


@dataclass(frozen=True)
class Judged:
    """What was said of one window.

    Parameters
    ----------
    data, window : str
    graph : str
        ``learned`` or ``published``.
    truth : tuple of str, optional
        Columns whose own mechanism changed, none of them in a quiet window; None where nobody
        knows.
    named : tuple of str
        Columns said to have moved of themselves, first to last.
    suspects : tuple of str
        All columns, the one to look at first first.
    alone : tuple of str
        All columns by how far each moved, alone.
    tested_alone : tuple of str
        Columns whose own Kolmogorov-Smirnov or χ² test rejects, Bonferroni.
    verdict : str
    undetermined, columns : int
    seconds : float
        Processor time.
    """

    data: str
    window: str
    graph: str
    truth: tuple[str, ...] | None
    named: tuple[str, ...]
    suspects: tuple[str, ...]
    alone: tuple[str, ...]
    tested_alone: tuple[str, ...]
    verdict: str
    undetermined: int
    columns: int
    seconds: float

    @property
    def place(self) -> int | None:
        """Where the first right column stands among the suspects, from 1."""
        return _place(self.suspects, self.truth)

    @property
    def place_alone(self) -> int | None:
        """The same where columns are ordered by how far each moved."""
        return _place(self.alone, self.truth)

    @property
    def is_exact(self) -> bool:
        """Whether the right columns are named and no others."""
        return self.truth is not None and set(self.named) == set(self.truth)


def judged_windows(data: Path, name: str) -> Iterator[Judged]:
    """Compare the windows of a set, with a learned graph and with the published one.

    Parameters
    ----------
    data : Path
        Holds a folder for each set.
    name : str
        Of a set whose folder has a ``truth.json``.
    """
    folder = data / name
    truth = json.loads((folder / "truth.json").read_text())
    for window in truth["windows"]:
        reference, current = (_read(folder / window[side]) for side in ("reference", "current"))
        metric = window["target"].partition("__")[0] + "__" if name in _SERVICES else ""
        columns = [c for c in reference.columns if c in current.columns and c.startswith(metric)]
        reference, current = reference[columns], current[columns]
        edges = [(metric + a, metric + b) for a, b in truth.get("edges", ())]
        for how, graph in (("learned", None), ("published", published_graph(edges, columns))):
            if how == "published" and graph is None:
                continue
            started = time.process_time()
            diagnosis = wd.compare(reference, current, graph=graph, target=window.get("target"))
            seconds = time.process_time() - started
            verdicts = [c.verdict.value for c in diagnosis.columns.values()]
            alone = {c: (reference[c], current[c]) for c in diagnosis.columns}
            moved = {c: distance(a, b) for c, (a, b) in alone.items()}
            p = {c: p_value(a, b) for c, (a, b) in alone.items()}
            yield Judged(
                data=name,
                window=Path(window["current"]).name.partition(".")[0],
                graph=how,
                truth=_truth(window),
                named=diagnosis.ranking,
                suspects=diagnosis.suspects,
                alone=tuple(sorted(moved, key=lambda c: -moved[c])),
                tested_alone=tuple(c for c in p if p[c] <= _LEVEL / len(p)),
                verdict=("fault, " if diagnosis.fault else "") + diagnosis.verdict.value,
                undetermined=verdicts.count("undetermined"),
                columns=len(verdicts),
                seconds=seconds,
            )


def published_graph(edges: Sequence[tuple[str, str]], columns: Sequence[str]) -> wd.Graph | None:
    """Return the published graph, or None where there is none or it has a cycle."""
    edges = [(a, b) for a, b in edges if a in columns and b in columns]
    try:
        return wd.Graph.from_pairs(edges, nodes=columns) if edges else None
    except wd.GraphError:
        return None


def _read(file: Path) -> pd.DataFrame:
    return pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)


def _truth(window: Mapping[str, Any]) -> tuple[str, ...] | None:
    note = window.get("note", "")
    unknown = "NOT generator truth" in note or "no exact truth" in note
    return None if unknown else tuple(window["shifted"])


def _place(ranked: Sequence[str], truth: Iterable[str] | None) -> int | None:
    return next((k for k, name in enumerate(ranked, 1) if name in (truth or ())), None)


def networks(judged: Sequence[Judged]) -> list[str]:
    """Return a table of the networks: right and wrong columns over all of a network's windows."""
    head = ["network", "columns", "windows", "graph", "F1", "found", "wrongly named",
            "quiet window", "each column alone: F1", "wrongly named"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in dict.fromkeys(j.data for j in judged if j.data.startswith(_EXACT)):
        for how in ("learned", "published"):
            group = [j for j in judged if j.data == name and j.graph == how]
            if not group:
                continue
            ours, alone = _scores(group, "named"), _scores(group, "tested_alone")
            quiet = sum(len(j.named) for j in group if not j.truth)
            cells = [
                name,
                str(group[0].columns),
                str(len(group)),
                how,
                f"{ours[0]:.2f}",
                f"{ours[1]} of {sum(len(j.truth or ()) for j in group)}",
                str(ours[2]),
                f"{quiet} named" if quiet else "nothing named",
                f"{alone[0]:.2f}",
                str(alone[2]),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _scores(group: Sequence[Judged], answer: str) -> tuple[float, int, int]:
    """Return F1, columns found and columns wrongly named, over windows with exact truth."""
    right = wrong = there = 0
    for judged in group:
        named, truth = set(getattr(judged, answer)), set(judged.truth or ())
        right, wrong, there = (
            right + len(named & truth),
            wrong + len(named - truth),
            there + len(truth),
        )
    return 2 * right / max(1, right + wrong + there), right, wrong


def by_set(judged: Sequence[Judged]) -> list[str]:
    """Return a table of how often the first suspects hold a right column."""
    head = ["data", "windows with a known cause", "graph", "first", "first three", "named",
            "by distance: first", "first three", "quiet windows", "of which alarm",
            "each column alone"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    known = [j for j in judged if j.truth is not None]
    tables = {j.data: [j.data] for j in known if j.data not in _SERVICES}
    tables["all above"] = [name for (name,) in tables.values()]
    tables |= {name: [name] for name in _SERVICES}
    for name, sets in tables.items():
        for how in ("learned", "published"):
            group = [j for j in known if j.data in sets and j.graph == how]
            if not group:
                continue
            moved, quiet = [j for j in group if j.truth], [j for j in group if not j.truth]
            cells = [
                name,
                str(len(moved)),
                how,
                *(_among(moved, "place", k) for k in (1, 3)),
                str(sum(bool({*j.named} & {*(j.truth or ())}) for j in moved)),
                *(_among(moved, "place_alone", k) for k in (1, 3)),
                str(len(quiet)),
                str(sum(bool(j.named) for j in quiet)) if quiet else "–",
                str(sum(bool(j.tested_alone) for j in quiet)) if quiet else "–",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _among(group: Sequence[Judged], place: str, first: int) -> str:
    return str(sum((getattr(j, place) or first + 1) <= first for j in group)) if group else "–"


def listing(judged: Sequence[Judged]) -> list[str]:
    """Return a table with a line for each window and graph, but for those of services."""
    head = ["data", "window", "graph", "truth", "verdict", "named, first to last",
            "right column", "by distance", "undetermined", "s"]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for j in judged:
        if j.data in _SERVICES:
            continue
        if j.truth is None:
            first = alone = "not known"
        elif not j.truth:
            first, alone = (f"{len(j.named)} named" if j.named else "no alarm: right"), "–"
        else:
            is_named = bool({*j.named} & {*j.truth})
            first = _ordinal(j.place) + ("" if is_named else ", not named")
            if j.is_exact and j.data not in _ANY_OF:
                first += ", exactly these"
            alone = _ordinal(j.place_alone)
        cells = [
            j.data,
            j.window,
            j.graph,
            _listed(j.truth or ()),
            j.verdict,
            _listed(j.named),
            first,
            alone,
            f"{j.undetermined}/{j.columns}",
            f"{j.seconds:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" +{len(names) - most}" if len(names) > most else ""
    return (", ".join(names[:most]) + more) if names else "–"


def _ordinal(place: int | None) -> str:
    return "–" if place is None else "first" if place == 1 else f"place {place}"
