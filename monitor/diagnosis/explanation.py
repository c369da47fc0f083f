"""What moved, and in which column it began: a graph, tests given it, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from whydrift.discovery.progress import Progress
from whydrift.discovery.snapshot.note import Note
from whydrift.monitor.diagnosis.diagnosis import ColumnVerdict, GraphChange
from whydrift.monitor.diagnosis.faults.onset import dated
from whydrift.monitor.diagnosis.graph_change import changed_edges
from whydrift.monitor.diagnosis.graph_check import missing_edges, reversed_edges
from whydrift.monitor.diagnosis.judge import Judgement, judge, retold
from whydrift.monitor.diagnosis.lags import told_of_lags
from whydrift.monitor.diagnosis.prediction_row import Asked, ask_model
from whydrift.monitor.diagnosis.question import Question
from whydrift.monitor.diagnosis.recalibration import Rescaled, recalibrated
from whydrift.monitor.diagnosis.shift_type import ShiftNamed, name_shift
from whydrift.monitor.diagnosis.sound_windows import SoundWindows
from whydrift.monitor.diagnosis.stopwatch import Stopwatch
from whydrift.monitor.diagnosis.testing import Testing
from whydrift.monitor.diagnosis.window_graph import WindowGraph, window_graph

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """What moved, and what that says of the target.

    Parameters
    ----------
    learned : WindowGraph
        The graph, given or learned.
    testing : Testing
        Tests of every column given it; its ``findings`` are all faults.
    judgement : Judgement
        What each column and the target are called.
    asked : Asked
        What the model itself says of the predictions.
    rescaled : Rescaled, optional
        A number that moved and may merely read otherwise.
    shift : ShiftNamed
        The word of the literature.
    edges : tuple of GraphChange
        Edges that changed.
    doubts : tuple of Note
        Where a given graph does not fit the windows.
    """

    learned: WindowGraph
    testing: Testing
    judgement: Judgement
    asked: Asked
    rescaled: Rescaled | None
    shift: ShiftNamed
    edges: tuple[GraphChange, ...]
    doubts: tuple[Note, ...]

    @property
    def has_origin(self) -> bool:
        """Whether any column was found to have moved by itself."""
        return bool(self.judgement.ranking or self.judgement.groups)

    @property
    def undecided(self) -> tuple[str, ...]:
        """Columns of which the windows do not tell whether they moved."""
        judged = self.judgement.judged.items()
        return tuple(n for n, j in judged if j.verdict is ColumnVerdict.UNDETERMINED)


def explain(
    windows: SoundWindows, question: Question, tell: Progress, watch: Stopwatch
) -> Explanation:
    """Learn the graph, test every column given its causes, and judge.

    Parameters
    ----------
    windows : SoundWindows
        The windows, with what broke in them.
    question : Question
        Roles, knowledge and level.
    tell : Progress
        Told how far the work is.
    watch : Stopwatch
        Counts the parts ``model``, ``graph``, ``tests`` and ``graph_check``.

    Raises
    ------
    GraphError
        If the graph or the knowledge does not fit the columns.
    OptionError
        If an option has a value that is not offered, or the model cannot be run.
    """
    floor, level, target = question.floor, question.level, question.target
    asked = Asked()
    if question.model is not None:
        with watch.measure("model"):
            asked = ask_model(windows.side, question.prediction, target, question.model)
    learned, testing, judgement = _judged(windows, question, asked, tell, watch)
    with watch.measure("tests"):
        rescaled = recalibrated(testing, judgement, floor, level, target)
    if rescaled is not None and rescaled.is_fault:
        windows = replace(
            windows,
            findings=(*windows.findings, dated(rescaled.finding, windows.repaired)),
            repaired=windows.repaired.with_sample(rescaled.finding.repairs),
        )
        learned, testing, judgement = _judged(windows, question, asked, tell, watch)
        rescaled = None
    elif rescaled is not None:
        judgement = retold(judgement, rescaled.told(judgement.judged), target)
    with watch.measure("tests"):
        instead = told_of_lags(
            windows.side.lags, judgement.judged, judgement.paths, judgement.groups
        )
        if instead:
            judgement = retold(judgement, instead, target)
        shift = name_shift(
            testing,
            judgement.graph,
            target=target,
            evidence=judgement.evidence,
            judged=judgement.judged,
            conditional_shift=judgement.conditional_shift,
            floor=floor,
            level=level,
            groups=judgement.groups,
        )
        edges = changed_edges(
            testing.repaired,
            judgement.graph,
            judgement.evidence,
            testing.usable,
            floor=floor,
            level=level,
        )
    doubts: tuple[Note, ...] = ()
    if question.graph is not None:
        with watch.measure("graph_check"):
            doubts = _doubts(windows, learned, testing, judgement)
    return Explanation(learned, testing, judgement, asked, rescaled, shift, edges, doubts)


def _judged(
    windows: SoundWindows, question: Question, asked: Asked, tell: Progress, watch: Stopwatch
) -> tuple[WindowGraph, Testing, Judgement]:
    """Learn the graph, test every column and judge them, the windows' faults being known."""
    side, late = windows.side, windows.late
    with watch.measure("graph"):
        learned = window_graph(
            side.reference,
            windows.repaired,
            side.names,
            windows.usable,
            graph=question.graph,
            knowledge=question.knowledge,
            method=question.method,
            test=question.test,
            score=question.score,
            random_state=question.random_state,
            progress=tell,
            parts=windows.parts,
            clocks=side.clocks,
            calendar=side.calendar,
            lags=side.lags,
            target=question.target,
            prediction=question.prediction,
        )
    with watch.measure("tests"):
        testing = Testing(
            side.reference,
            side.current,
            windows.repaired,
            windows.findings,
            learned.graph,
            windows.usable,
            side.cluster,
            question.make_test,
            tell,
            windows.parts if windows.knows_days else None,
            learned.alternatives,
            is_given=question.graph is not None,
            late=frozenset() if late.column is None else frozenset({late.column}),
            calendar=side.calendar,
            local=question.local,
            knowledge=learned.knowledge,
            prediction=question.prediction,
            turns=side.turns,
        )
        judgement = judge(
            testing,
            target=question.target,
            prediction=question.prediction if asked.answer is None else None,
            has_labels=side.has_labels,
            floor=question.floor,
            level=question.level,
        )
    return learned, testing, judgement


def _doubts(
    windows: SoundWindows, learned: WindowGraph, testing: Testing, judgement: Judgement
) -> tuple[Note, ...]:
    """Return where the windows contradict a graph that was given."""
    origins = frozenset(judgement.ranking) - set(testing.faulty)
    if judgement.choice is not None:
        origins |= judgement.choice.p_values.keys()
    return (
        *missing_edges(
            learned.graph,
            windows.side.reference,
            windows.usable,
            windows.parts if windows.past.count > 1 else None,
        ),
        *reversed_edges(learned.graph, origins, judgement.limit, testing.p_value),
    )
