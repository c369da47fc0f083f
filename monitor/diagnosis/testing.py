"""Runs the mechanism tests of one comparison, with faults undone where they can be."""

from __future__ import annotations

from whydrift.discovery.graph import Graph
from whydrift.discovery.progress import Progress
from whydrift.discovery.snapshot.note import Note
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.diagnosis import FaultKind
from whydrift.monitor.diagnosis.faults.base import Finding, share_rises
from whydrift.monitor.diagnosis.interleaving import rows_alike_nearby
from whydrift.monitor.diagnosis.judgement import ColumnEvidence
from whydrift.monitor.diagnosis.mechanism.base import MechanismTestResult, Untestable
from whydrift.monitor.diagnosis.mechanism.residual_scores import ResidualScores
from whydrift.monitor.diagnosis.pair import WindowPair

__all__ = ["Testing"]

_ROWS_PER_FEATURE = 15  # the direct test of P(target | all inputs) needs this many
_MISSINGNESS_LEVEL = 0.001


class Testing:
    """Tests of one pair of windows.

    A column below a fault is tested twice, with the fault's column as recorded and as repaired:
    whether its mechanism read the broken values or the sound ones is not known, so both versions
    have to reject before it is said to have moved.

    Parameters
    ----------
    reference, current, repaired : Snapshot
        ``repaired`` is the current window with its faults undone.
    findings : tuple of Finding
        Those faults.
    graph : Graph
        Over all columns compared.
    usable : tuple of str
        Columns of which something can be tested.
    cluster : str, optional
        Column whose equal values mark rows that belong together.
    progress : Progress
        Told after each column.
    late : frozenset of str
        Columns of which values are still coming in: that more are missing means nothing.
    """

    def __init__(
        self,
        reference: Snapshot,
        current: Snapshot,
        repaired: Snapshot,
        findings: tuple[Finding, ...],
        graph: Graph,
        usable: tuple[str, ...],
        cluster: str | None,
        progress: Progress,
        late: frozenset[str] = frozenset(),
    ) -> None:
        self.graph = graph
        self.findings, repaired = _standing(findings, graph, current, repaired)
        self.usable = frozenset(usable)
        self.progress = progress
        self._late = late
        self.notes: list[Note] = []
        self.recorded = WindowPair(reference, current, usable, cluster)
        has_repairs = any(f.repairs for f in self.findings)
        self.repaired = (
            WindowPair(reference, repaired, usable, cluster) if has_repairs else self.recorded
        )
        self._tests = {id(pair): ResidualScores() for pair in (self.recorded, self.repaired)}

    def evidence(self) -> dict[str, ColumnEvidence]:
        """Test every column of the graph."""
        faulty = {c: f.fault.kind for f in self.findings for c in f.fault.columns}
        repairable = {c for f in self.findings if f.repairs for c in f.fault.columns}
        out: dict[str, ColumnEvidence] = {}
        for done, name in enumerate(self.graph.nodes):
            self.progress("testing mechanisms", done, len(self.graph.nodes))
            if name in faulty:
                out[name] = ColumnEvidence(None, None, faulty[name])
            elif name not in self.usable:
                nothing = MechanismTestResult(None, Untestable.TOO_FEW_ROWS, 1.0, 0)
                out[name] = ColumnEvidence(nothing, nothing)
            else:
                out[name] = self._column(name, repairable)
        self._tell_dependence()
        for finding in self.findings:
            if not finding.repairs and finding.fault.kind is not FaultKind.NULL_SPIKE:
                for column in finding.fault.columns:
                    self.notes.append(
                        Note(
                            "left_out",
                            column,
                            f"{column!r} cannot be repaired and is left out as a parent",
                        )
                    )
        return out

    def _tell_dependence(self) -> None:
        pair = self.recorded
        if pair.clusters is not None:
            return
        if pair.is_autocorrelated:
            text = "neighbouring rows resemble each other; errors allow for that"
            self.notes.append(Note("rows_dependent", None, text))
        elif any(rows_alike_nearby(w, pair.names) for w in (pair.reference, pair.current)):
            text = (
                "rows resemble others nearby, in no fixed order; errors do not allow for that: "
                "name the column that tells them apart with --cluster"
            )
            self.notes.append(Note("rows_alike_nearby", None, text))

    def _column(self, name: str, repairable: set[str]) -> ColumnEvidence:
        parents = tuple(p for p in self.graph.parents(name) if p in self.usable)
        own = self._both(name, parents, repairable)
        undecided = tuple(p for p in self.graph.undecided_neighbours(name) if p in self.usable)
        is_open = False
        if undecided and own.p_value is not None:
            wider = self._both(name, (*parents, *undecided), repairable)
            if wider.p_value is not None and wider.p_value > own.p_value:
                is_open = wider.p_value > 0.05
        pair = self.repaired
        marginal = own if not parents else self._tests[id(pair)](pair, name, ())
        return ColumnEvidence(
            own, marginal, undecided=is_open, missingness_moved=self._missingness_moved(name)
        )

    def _both(
        self, name: str, parents: tuple[str, ...], repairable: set[str]
    ) -> MechanismTestResult:
        """Test as recorded and as repaired where these differ; the more cautious answer counts."""
        pair = self.repaired
        repaired = self._tests[id(pair)](pair, name, parents)
        if not repairable & {name, *parents}:
            return repaired
        recorded = self._tests[id(self.recorded)](self.recorded, name, parents)
        if recorded.p_value is not None and repaired.p_value is not None:
            return max(recorded, repaired, key=lambda r: (r.p_value or 0.0, -r.strength))
        one, other = (repaired, recorded) if repaired.p_value is not None else (recorded, repaired)
        # Where it moved given one version of its parent, the other, untestable one is the answer.
        return other if one.p_value is not None and one.p_value < 0.05 else one

    def marginal_of(self, name: str) -> MechanismTestResult:
        """Test a column's own distribution, as recorded."""
        return self._tests[id(self.recorded)](self.recorded, name, ())

    def given(self, name: str, others: tuple[str, ...]) -> MechanismTestResult:
        """Test a column given any others, with faults undone."""
        return self._tests[id(self.repaired)](self.repaired, name, others)

    def conditional(
        self, target: str | None, evidence: dict[str, ColumnEvidence]
    ) -> MechanismTestResult | None:
        """Test P(target | all inputs) directly, without a graph; None where rows are too few.

        Inputs are all other columns but unrepaired faulty ones.
        """
        if target is None or target not in self.usable or evidence[target].fault is not None:
            return None
        broken = {
            c
            for f in self.findings
            if not f.repairs
            for c in f.fault.columns
            if f.fault.kind is not FaultKind.NULL_SPIKE
        }
        inputs = tuple(
            n for n in self.graph.nodes if n in self.usable and n != target and n not in broken
        )
        if not inputs:
            return None
        pair = self.repaired
        if not _rows_suffice(pair, target, inputs):
            self.notes.append(
                Note(
                    "conditional_not_tested",
                    target,
                    f"P({target} | all inputs) was not tested directly: too few complete rows "
                    f"for {len(inputs)} inputs",
                )
            )
            return None
        return self._tests[id(pair)](pair, target, inputs)

    def prediction(self, name: str, target: str | None) -> MechanismTestResult | None:
        """Test P(prediction | all inputs), or return None where that would tell nothing.

        So it is with too few rows, and where inputs are broken beyond repair: what the model read
        is not known. With repaired inputs both versions have to reject.
        """
        if any(not f.repairs for f in self.findings):
            return None
        inputs = tuple(n for n in self.graph.nodes if n in self.usable and n != target)
        if not inputs or not _rows_suffice(self.recorded, name, inputs):
            return None
        return self._both(name, inputs, {c for f in self.findings for c in f.fault.columns})

    def _missingness_moved(self, name: str) -> bool:
        if name in self._late:
            return False
        reference, current = self.recorded.reference, self.recorded.current
        before, after = reference.summaries[name].missing, current.summaries[name].missing
        shares = before / reference.rows, after / current.rows
        if abs(shares[0] - shares[1]) < 0.02:
            return False
        down = share_rises(after, current.rows, before, reference.rows)
        up = share_rises(before, reference.rows, after, current.rows)
        return min(up, down) < _MISSINGNESS_LEVEL / max(1, len(self.usable))


def _rows_suffice(pair: WindowPair, name: str, inputs: tuple[str, ...]) -> bool:
    """Whether there are rows enough to test a column given all inputs."""
    features = sum(pair.features(n).basis.shape[1] for n in inputs)
    linear = sum(pair.features(n).linear.shape[1] for n in inputs)
    products = linear * (linear - 1) // 2 if linear <= 24 else 0
    rows = int(pair.complete((name, *inputs)).sum())
    return bool(rows >= _ROWS_PER_FEATURE * (1 + features + products))


def _standing(
    findings: tuple[Finding, ...], graph: Graph, current: Snapshot, repaired: Snapshot
) -> tuple[tuple[Finding, ...], Snapshot]:
    """Return the faults that stand, and the window with only those undone.

    A column whose unit seems to have changed while that of one of its causes did has merely
    inherited large numbers.
    """
    units = {c for f in findings if f.fault.kind is FaultKind.UNIT_CHANGE for c in f.fault.columns}
    inherited = {c for c in units if units & graph.ancestors(c)}
    if not inherited:
        return findings, repaired
    standing = tuple(f for f in findings if not inherited.issuperset(f.fault.columns))
    return standing, repaired.with_sample({c: current.column(c) for c in inherited})
