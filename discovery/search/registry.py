"""The table of searches: a new one is one new file and one new row.

Nothing of the searches is imported before one of them is run.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from whydrift.discovery.progress import Progress

if TYPE_CHECKING:
    from whydrift.discovery.covariance import Covariance
    from whydrift.discovery.graph import Graph
    from whydrift.discovery.knowledge import Knowledge
    from whydrift.discovery.snapshot.note import Note
    from whydrift.discovery.snapshot.snapshot import Snapshot

__all__ = ["METHODS", "Method", "Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the searches take, checked."""

    test: str
    score: str
    alpha: float
    orientation: str
    penalty: float
    knowledge: Knowledge
    random_state: int
    other_windows: tuple[Snapshot, ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """One search: where it stands, and what it is told.

    Parameters
    ----------
    name : str
    home : str
        ``module:function`` below ``whydrift.discovery.search``. The function takes a Snapshot,
        names, keywords and ``progress``, and returns the graph and notes.
    options : frozenset of str
        Options of `discover` that mean something to it; each is passed on.
    passes : tuple of str
        Further fields of `Options` that it takes.
    fixed : mapping
        Keywords that tell it from others of the same function.
    takes_windows : bool
        Whether it learns from several windows.
    needs_windows : bool
        Whether it has to; one window in the order of time is then read as several.
    from_covariance : str, optional
        The function of ``from_covariance.py`` that runs it on a covariance matrix, where that is
        all it needs.
    """

    name: str
    home: str
    options: frozenset[str] = frozenset()
    passes: tuple[str, ...] = ("knowledge",)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    takes_windows: bool = False
    needs_windows: bool = False
    from_covariance: str | None = None

    def learn(
        self, snapshot: Snapshot, names: tuple[str, ...], options: Options, progress: Progress
    ) -> tuple[Graph, tuple[Note, ...]]:
        """Run the search; errors are those of its function."""
        module, _, function = self.home.partition(":")
        search = getattr(importlib.import_module(f"whydrift.discovery.search.{module}"), function)
        learned: tuple[Graph, tuple[Note, ...]] = search(
            snapshot, names, **self._told(options), **self.fixed, progress=progress
        )
        return learned

    def learn_from_covariance(
        self, covariance: Covariance, names: tuple[str, ...], options: Options, progress: Progress
    ) -> tuple[Graph, tuple[Note, ...]]:
        """Run the search on a covariance matrix; errors are those of its function."""
        assert self.from_covariance is not None, self.name
        module = importlib.import_module("whydrift.discovery.search.from_covariance")
        told = self._told(options)
        told.pop("other_windows", None)  # a matrix is one window
        learned: tuple[Graph, tuple[Note, ...]] = getattr(module, self.from_covariance)(
            self.name, covariance, names, **told, progress=progress
        )
        return learned

    def _told(self, options: Options) -> dict[str, Any]:
        return {name: getattr(options, name) for name in (*sorted(self.options), *self.passes)}


_BY_SCORE: Final = frozenset({"score", "penalty"})
_BY_TEST: Final = frozenset({"test", "alpha"})
METHODS: Final = {
    method.name: method
    for method in (
        Method(
            "boss",
            "by_score:boss",
            _BY_SCORE,
            ("knowledge", "random_state", "other_windows"),
            takes_windows=True,
            from_covariance="learn_by_score",
        ),
        Method("ges", "by_score:ges", _BY_SCORE, from_covariance="learn_by_score"),
        Method(
            "grasp",
            "by_score:grasp",
            _BY_SCORE,
            ("knowledge", "random_state"),
            from_covariance="learn_by_score",
        ),
        Method("pc", "pc:pc", _BY_TEST | {"orientation"}, from_covariance="learn_by_test"),
        Method("fci", "fci:fci", _BY_TEST | {"orientation"}, from_covariance="learn_by_test"),
        Method(
            "rfci",
            "fci:fci",
            _BY_TEST,
            fixed={"really_fast": True},
            from_covariance="learn_by_test",
        ),
        Method(
            "cd-nod",
            "cd_nod:cd_nod",
            _BY_TEST | {"orientation"},
            ("knowledge", "other_windows"),
            takes_windows=True,
            needs_windows=True,
        ),
        Method("lingam", "causal_learn:lingam"),
        Method("anm", "causal_learn:anm", _BY_TEST, ("knowledge", "random_state")),
        Method("pnl", "causal_learn:pnl", _BY_TEST, ("knowledge", "random_state")),
        Method("exact", "causal_learn:exact"),
    )
}
