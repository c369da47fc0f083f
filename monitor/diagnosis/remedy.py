"""What to do about it: with a loss and labels by measured gain, else from the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whydrift.discovery.graph import Edge
from whydrift.monitor.diagnosis.diagnosis import (
    Action,
    Estimate,
    Fault,
    FaultKind,
    Metric,
    Remedy,
    Verdict,
)
from whydrift.monitor.diagnosis.gain import Gains
from whydrift.monitor.diagnosis.recalibration import Rescaled
from whydrift.monitor.diagnosis.words import FaultyColumns, columns_by_kind, cut, joined

__all__ = ["TOLERANCE", "Case", "choose_remedy", "wants_gains"]

TOLERANCE = 0.02  # of the reference's mean loss: what less than this costs, or wins, is let be
_MOSTLY = 0.5
_CHEAPER_FIRST = (Action.PRIOR_CORRECTION, Action.REWEIGHT, Action.RETRAIN)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was found, as far as the remedy hangs on it.

    Parameters
    ----------
    verdict : Verdict
        Of the window.
    conditional_shift : bool, optional
        Whether P(target | inputs) moved.
    faults : sequence of Fault
        What broke.
    ranking : sequence of str
        Columns at which a change began.
    target : str, optional
        The target.
    metric : Metric, optional
        The measure and its change.
    is_loss : bool
        Whether the measure is a loss.
    has_labels, has_overlap : bool
        Whether the current window has labels that can be judged, and rows like the reference's.
    prediction : str, optional
        Its column.
    model_changed : bool
        Whether the same inputs get other predictions.
    is_root : bool
        Whether the target moved of itself, without known causes.
    open_edges : sequence of Edge
        Edges without a direction that keep a change from having a beginning.
    gains : Gains, optional
        What each correction would win, where the loss and labels tell.
    followed : sequence of str
        Columns at which a change began that the prediction follows.
    rescaled : Rescaled, optional
        A number that reads otherwise while what follows from it does not.
    inputs_moved : bool
        Whether the distribution of any input moved: else old rows, weighted, are old rows.
    constant : bool
        Whether the target has one value in all rows, and nobody said what leads to it: no model
        that is trained on these learns anything.
    other_gaps : sequence of str
        Columns that other rows lack than before, or more or fewer, while the rest holds.
    cut_off : bool
        Whether the target ends at a limit in the current window, and went on beyond it before.
    """

    verdict: Verdict
    conditional_shift: bool | None
    faults: Sequence[Fault]
    ranking: Sequence[str]
    target: str | None
    metric: Metric | None
    is_loss: bool
    has_labels: bool
    has_overlap: bool
    prediction: str | None = None
    model_changed: bool = False
    is_root: bool = False
    open_edges: Sequence[Edge] = ()
    gains: Gains | None = None
    followed: Sequence[str] = ()
    rescaled: Rescaled | None = None
    inputs_moved: bool = True
    constant: bool = False
    other_gaps: Sequence[str] = ()
    cut_off: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns at which a change began."""
        return tuple(self.ranking)

    @property
    def named(self) -> str:
        """The same, in words."""
        return joined(self.ranking)

    @property
    def moved(self) -> bool:
        """Whether anything did."""
        return bool(self.ranking) or bool(self.conditional_shift)

    @property
    def target_changed(self) -> bool:
        """Whether what leads to the target did, or what the inputs say of it."""
        own = self.target is not None and self.verdict in {Verdict.MECHANISM, Verdict.BOTH}
        return own or bool(self.conditional_shift)

    @property
    def rose(self) -> bool:
        """Whether the loss did: where nothing moved, beyond what chance does in one of twenty."""
        metric = self.metric
        if metric is None or not self.is_loss or not (metric.change.low or 0.0) > 0:
            return False
        return self.moved or metric.is_beyond_chance


def choose_remedy(case: Case) -> Remedy:
    """Choose a remedy.

    A fault is mended first. Where the same inputs get other predictions nothing else can be told of
    the model: what a correction would win is measured on predictions that it did not make. With a
    loss and labels the best of the corrections is chosen whose gain
    on held-out current rows is certainly above zero, the cheaper of two that win alike. Without
    labels nothing can be said of the model's loss, so the answer is never "it costs nothing": it is
    `none` only where no input moved.
    """
    if case.faults:
        return _fix(case.faults, case.target if case.conditional_shift else None)
    if case.model_changed and case.prediction is not None:
        return _other_model(case.prediction, rose=case.rose)
    if case.rescaled is not None:
        return _look_at(case.rescaled, case.gains)
    if case.open_edges and case.verdict is Verdict.UNDETERMINED and not case.conditional_shift:
        return _direct(case.open_edges)
    if case.constant and case.ranking:
        return _beside_constant(case)
    if case.cut_off and case.target_changed and case.target is not None:
        return _beyond_the_limit(case, case.target)
    if case.gains is not None and case.metric is not None:
        won = _by_gain(case, case.gains, case.metric)
        if won is not None:
            return won
    no_cause = case.verdict in {Verdict.NONE, Verdict.UNDETERMINED} and not case.conditional_shift
    if case.rose and no_cause:
        return Remedy(
            Action.INVESTIGATE,
            case.columns,
            text="The loss rose, and no change that was found explains it: a change of a shape "
            "that these tests do not see, or in columns that are not here.",
        )
    if not case.moved:
        return _unmoved(case)
    if case.target is None:
        return _without_target(case)
    if not case.has_labels:
        return _without_labels(case, case.target)
    if case.verdict is Verdict.NONE and not case.conditional_shift:
        return _beside_target(case, case.target)
    return _by_verdict(case, case.target)


def _direct(edges: Sequence[Edge]) -> Remedy:
    ends = tuple(dict.fromkeys(end for edge in edges for end in (edge.a, edge.b)))
    return Remedy(
        Action.INVESTIGATE,
        ends,
        text="Say which way these edges go: name tiers or required edges (--knowledge) when "
        f"the graph is learned, or direct them in the graph that is given ({joined(ends)}). "
        "More rows would not tell.",
    )


def _unmoved(case: Case) -> Remedy:
    if case.other_gaps:
        return _who_is_measured(case)
    if case.verdict is Verdict.UNDETERMINED:
        return Remedy(
            Action.INVESTIGATE,
            text="The data cannot tell; see the reasons given "
            "for the columns, and compare again with more rows.",
        )
    if case.target is not None and not case.has_labels:
        return Remedy(
            Action.NONE,
            text=f"Nothing to do: no input was seen to move. Of {case.target} only labels tell.",
        )
    return Remedy(Action.NONE, text="Nothing to do.")


def _who_is_measured(case: Case) -> Remedy:
    named = joined(case.other_gaps)
    costs = f" A model that reads {'it' if len(case.other_gaps) == 1 else 'them'} is asked of rows "
    costs += "with other gaps than those that it was trained on."
    return Remedy(
        Action.INVESTIGATE,
        tuple(case.other_gaps),
        text=f"Find out why other rows have a value of {named} than before: a rule of what is "
        f"measured, a source, a join.{costs}",
    )


def _without_target(case: Case) -> Remedy:
    if case.verdict is Verdict.NONE and not case.conditional_shift:
        return _beside_target(case, "a sink")
    return Remedy(
        Action.INVESTIGATE,
        case.columns,
        text=f"Look at {case.named}: the change began there. "
        "Name a target to be told what it means for the model.",
    )


def _beside_target(case: Case, target: str) -> Remedy:
    """Return what is to be done of a change that does not reach the target."""
    if case.followed:
        read = joined(case.followed)
        return Remedy(
            Action.INVESTIGATE,
            tuple(case.followed),
            text=f"Look at what writes {read}: its unit, source, default. {case.prediction} "
            f"follows {'it' if len(case.followed) == 1 else 'them'}, and {target} was not found "
            "to: where that is so, the model errs where nothing changed.",
        )
    return Remedy(
        Action.NONE,
        case.columns,
        text=f"{case.named} moved, but nothing says that it reaches {target}.",
    )


def _beside_constant(case: Case) -> Remedy:
    return Remedy(
        Action.INVESTIGATE,
        case.columns,
        text=f"Look at {case.named}: the change began there. {case.target} is the same in every "
        "row of both windows, which tells nothing of what leads to it: if it should vary, mend "
        "what writes it.",
    )


def _beyond_the_limit(case: Case, target: str) -> Remedy:
    return Remedy(
        Action.INVESTIGATE,
        case.columns,
        text=f"Find out what cuts {target} off: observation that ended earlier, a sensor's range, "
        "a form's limit. Wait for what lies beyond, or mend it; a model that is trained on these "
        "rows learns the limit.",
    )


def _without_labels(case: Case, target: str) -> Remedy:
    if not case.has_overlap:
        return Remedy(
            Action.COLLECT_AND_RETRAIN,
            case.columns,
            text="Rows lie outside what the "
            f"model was trained on (at {case.named}): collect labels for them. Without "
            "labels the cost is not known.",
        )
    return Remedy(
        Action.INVESTIGATE,
        case.columns,
        text=f"Look at {case.named}. Without labels nobody can say what it costs.",
    )


def _by_verdict(case: Case, target: str) -> Remedy:
    """Return the remedy of a change that reaches the target, where no gain was measured."""
    if case.verdict is Verdict.MECHANISM and case.is_root:
        return Remedy(
            Action.RETRAIN,
            case.columns,
            text=f"The distribution of {target} itself moved, and no causes of it are among the "
            "columns: add those that could explain it. If the move is real, retrain on current "
            "rows.",
        )
    if case.verdict in {Verdict.MECHANISM, Verdict.BOTH} or case.conditional_shift:
        return Remedy(
            Action.RETRAIN,
            case.columns,
            text=f"What the inputs say of {target} has changed: a model trained on old rows no "
            "longer fits. Retrain on current rows, or mend what broke the relationship.",
        )
    low = case.metric.change.low if case.metric is not None else None
    if case.is_loss and low is not None and low <= 0:
        return Remedy(
            Action.NONE,
            case.columns,
            text=f"Inputs moved at {case.named}, and the loss did not "
            "rise measurably: nothing to mend in the model.",
        )
    if not case.has_overlap:
        return Remedy(
            Action.COLLECT_AND_RETRAIN,
            case.columns,
            text="Rows lie outside what the model "
            f"was trained on (at {case.named}): collect some and retrain.",
        )
    return Remedy(
        Action.REWEIGHT,
        case.columns,
        text=f"The relationships still hold; inputs moved at {case.named}. Mend the source if the "
        "move was not meant; else reweight the training rows, or accept it.",
    )


def _look_at(rescaled: Rescaled, gains: Gains | None) -> Remedy:
    name, others = rescaled.column, joined(rescaled.others)
    return Remedy(
        Action.INVESTIGATE,
        (name,),
        None if gains is None else gains.of.get(Action.RETRAIN),
        f"Find out why {name} reads {rescaled.scale}. If it is recorded otherwise (another unit, "
        f"source or version), set that back. If it moved of itself, {others} did not follow: what "
        f"a model learned of {name} no longer holds, and it has to be trained on current rows.",
    )


def _other_model(prediction: str, *, rose: bool) -> Remedy:
    cost = "The loss rose. " if rose else ""
    return Remedy(
        Action.INVESTIGATE,
        (prediction,),
        text=f"{cost}Find out what makes {prediction} now. If no other model was released, mend "
        "what serves it: what it reads, in which unit, how predictions are joined to rows. If one "
        "was, compare with rows of its own, and go back to the old one if it is worse.",
    )


def wants_gains(
    metric: Metric | None,
    *,
    is_loss: bool,
    conditional_shift: bool | None,
    moved: bool,
    has_faults: bool,
    model_changed: bool = False,
) -> bool:
    """Whether the remedy hangs on what a correction would win.

    Where no column moved, only a rise that is no chance is worth one.
    """
    if metric is None or not is_loss or has_faults or model_changed:
        return False
    rose = _has_risen(metric) and (moved or metric.is_beyond_chance)
    return rose or bool(conditional_shift)


def _has_risen(metric: Metric) -> bool:
    low = metric.change.low
    return low is not None and low > 0 and metric.change.value > _tolerance(metric)


def _tolerance(metric: Metric) -> float:
    return TOLERANCE * abs(metric.reference)


def _by_gain(case: Case, gains: Gains, metric: Metric) -> Remedy | None:
    """Return the remedy that wins, or None where the verdict has to say."""
    columns = case.columns
    rose, least = _has_risen(metric), _tolerance(metric)
    if rose and gains.outside > _MOSTLY:
        return Remedy(
            Action.COLLECT_AND_RETRAIN,
            columns,
            gains.of[Action.RETRAIN],
            f"{100 * min(gains.outside, 1.0):.0f} % of the rise of the loss lies in rows unlike "
            "any that the model was trained on: collect more of them and retrain.",
        )
    # What it would have won before the change as well is no remedy of the change.
    usual = max(gains.before, 0.0)
    offered = [a for a in _CHEAPER_FIRST if a in gains.of]
    sure = [a for a in offered if _is_worth(gains.of[a], least, usual)]
    if not case.inputs_moved:  # old rows, weighted, are old rows
        sure = [a for a in sure if a is not Action.REWEIGHT]
    if sure:
        best = max(gains.of[a].value for a in sure)
        action = next(a for a in sure if gains.of[a].value >= best - least)
        text = _text(action, gains.of[action], metric) + _with_more(case, gains, action, least)
        return Remedy(action, columns, gains.of[action], text)
    wider = gains.wider
    if wider is not None and _is_worth(wider.gain, least, max(wider.before, 0.0)):
        text = (
            f"Retrain on current rows with columns that {case.prediction} is not seen to follow "
            f"({joined(wider.columns)}), if they are known when predictions are made: "
            f"{_won(wider.gain, metric)}. Or mend what broke the relationship."
        )
        return Remedy(Action.RETRAIN, columns, wider.gain, text)
    if not rose:
        if not case.moved:
            return None
        named = case.named or "What the inputs say of the target"
        return Remedy(
            Action.NONE,
            columns,
            text=f"{named} moved, and the loss did not rise measurably: nothing to mend in the "
            "model.",
        )
    if not case.moved:
        return None
    return Remedy(
        Action.NONE,
        columns,
        gains.of[Action.RETRAIN],
        f"The loss rose, and {_why_nothing_wins(case, gains, least)}. Mend the source of the "
        "change if it was not meant.",
    )


def _why_nothing_wins(case: Case, gains: Gains, least: float) -> str:
    """Return why no correction is advised of a loss that rose.

    Rows are harder, and a model no worse, only where what they say of the target has not changed.
    """
    changed = case.target_changed
    if any(_is_worth(gain, least) for gain in gains.of.values()):
        why = "what a correction wins now it would have won before"
        return why if changed else f"{why}: the model fits no worse"
    if any(gain.value > least for gain in gains.of.values()):
        return "whether a correction from these columns wins it back is not sure with so few rows"
    if not gains.knows_loss:
        other = "a loss that asks for other predictions than a mean or a quantile"
        why = "none of the corrections that were tried wins it back"
        return f"{why}: {other}" if changed else f"{why}: harder rows, or {other}"
    why = "no correction from these columns wins it back"
    if changed:
        return f"{why}: what leads to the target has changed, and they tell no more of it"
    return f"{why}: harder rows, not a worse model"


def _is_worth(gain: Estimate, least: float, usual: float = 0.0) -> bool:
    return gain.low is not None and gain.low > usual and gain.value > least + usual


def _with_more(case: Case, gains: Gains, action: Action, least: float) -> str:
    """Return what columns that the prediction does not follow would add to a gain, if anything."""
    wider = gains.wider
    if wider is None or wider.gain.low is None:
        return ""
    chosen = gains.of[action]
    more = wider.gain.value - max(wider.before, 0.0) - chosen.value
    if more <= least or wider.gain.low <= (chosen.high or chosen.value):
        return ""
    return (
        f" Learned also from columns that {case.prediction} is not seen to follow "
        f"({joined(wider.columns)}) it would take {wider.gain.value:.3g} off, if they are known "
        "when predictions are made."
    )


def _won(gain: Estimate, metric: Metric) -> str:
    return f"on held-out rows it takes {gain.value:.3g} off the mean loss of {metric.current:.3g}"


def _text(action: Action, gain: Estimate, metric: Metric) -> str:
    won = _won(gain, metric)
    match action:
        case Action.PRIOR_CORRECTION:
            return f"Correct the predicted chances for how common the class is now: {won}."
        case Action.REWEIGHT:
            return f"Retrain on the old rows, weighted to look like the current ones: {won}."
        case _:
            return f"Retrain on current rows: {won}. Or mend what broke the relationship."


_WORDS = {
    FaultKind.NULL_SPIKE: "stop the missing values in",
    FaultKind.STUCK_VALUE: "find out why values stand still in",
    FaultKind.UNIT_CHANGE: "restore the unit of",
    FaultKind.RECODE: "restore the category names of",
    FaultKind.CATEGORY_SET: "map the categories of",
    FaultKind.SWAP: "exchange back",
    FaultKind.TYPE_CHANGE: "restore the type of",
    FaultKind.OFFSET: "take back the constant that was added to",
    FaultKind.TRUNCATED: "restore the full category names of",
    FaultKind.DEFAULT_VALUE: "find the values behind the placeholder in",
    FaultKind.IDENTITY_BROKEN: "compute as before:",
    FaultKind.ROWS_MISSING: "load the missing rows",
    FaultKind.ROWS_DUPLICATED: "load every row once",
    FaultKind.FILTER_CHANGED: "restore the filter of rows",
    FaultKind.COLUMN_MISSING: "bring back",
}


def _step(fault: FaultyColumns) -> str:
    named = joined(fault.columns)
    if fault.scale is not None:
        return f"find out why {named} reads {fault.scale}, and set that back{fault.where}"
    return f"{_WORDS[fault.kind]} {named}".strip() + fault.where


def _fix(faults: Sequence[Fault], moved: str | None) -> Remedy:
    text = cut([*map(_step, columns_by_kind(faults))])
    columns = tuple(dict.fromkeys(c for f in faults for c in f.columns))
    text = f"Mend the pipeline: {text}. Then compare again."
    if moved is not None and moved in columns:
        text += (
            f" That will not be all: in the sound rows too the inputs say something else of {moved}"
            ", and a model trained on old rows no longer fits."
        )
    return Remedy(Action.FIX_PIPELINE, columns, text=text)
