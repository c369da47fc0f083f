from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind, alert_findings
from whydrift.monitor.diagnosis.episode import Outcome, Step, advance, advance_all

LETTERS = {"R": Outcome.REJECTED, "q": Outcome.QUIET, "?": Outcome.UNKNOWN}


def walk(outcomes, **options):
    """Return the steps of a string of outcomes, one window a day."""
    episode, steps = None, []
    for day, letter in enumerate(outcomes):
        episode, step = advance(episode, LETTERS[letter], float(day), **options)
        steps.append(step.value)
    return steps, episode


def test_an_episode_opens_once_is_extended_and_closes_after_two_quiet_windows():
    steps, episode = walk("qRRqRqqq")
    assert steps == ["none", "opened", "updated", "none", "updated", "none", "closed", "none"]
    assert episode is None


def test_windows_that_cannot_tell_hold_the_state():
    steps, episode = walk("R?q??q")
    assert steps == ["opened", "none", "none", "none", "none", "closed"]
    steps, episode = walk("R????")
    assert episode.is_firing


def test_it_fires_after_so_many_rejections_in_a_row():
    assert walk("RqRR", after=2)[0] == ["pending", "none", "pending", "opened"]
    assert walk("R?R", after=2)[0] == ["pending", "none", "opened"]


def test_a_recomputed_window_opens_nothing_and_counts_once():
    assert advance(None, Outcome.REJECTED, 1.0, may_open=False) == (None, Step.NONE)
    episode, _ = advance(None, Outcome.REJECTED, 1.0)
    again, step = advance(episode, Outcome.REJECTED, 1.0)
    assert (again, step) == (episode, Step.UPDATED)
    # Its rows came late and now it is quiet: that is no quiet window after the drift.
    assert advance(episode, Outcome.QUIET, 1.0) == (episode, Step.NONE)
    quiet, _ = advance(episode, Outcome.QUIET, 2.0)
    assert advance(quiet, Outcome.QUIET, 2.0) == (quiet, Step.NONE)


def test_a_window_judged_late_changes_nothing():
    episode, _ = advance(None, Outcome.REJECTED, 5.0)
    for outcome in Outcome:
        assert advance(episode, outcome, 3.0) == (episode, Step.NONE)


def test_columns_of_a_window_judged_late_are_told_and_nothing_else_of_it_counts():
    episode, _ = advance(None, Outcome.REJECTED, 5.0, columns="p")
    assert advance(episode, Outcome.REJECTED, 3.0, columns="y", may_open=False)[1] is Step.NONE
    assert advance(episode, Outcome.QUIET, 3.0, columns="y") == (episode, Step.NONE)
    wider, step = advance(episode, Outcome.REJECTED, 3.0, columns="py")
    assert step is Step.WIDENED and wider == replace(episode, columns=frozenset("py"))
    assert advance(wider, Outcome.REJECTED, 4.0, columns="y") == (wider, Step.NONE)
    # What waits for a second window in a row is not begun by one out of order.
    pending, _ = advance(None, Outcome.REJECTED, 5.0, columns="p", after=2)
    late = advance(pending, Outcome.REJECTED, 3.0, columns="y", after=2)
    assert late == (pending, Step.NONE)


@given(st.text("Rq?", max_size=40), st.integers(1, 3), st.integers(1, 3))
def test_openings_and_closings_take_turns(outcomes, after, resolve_after):
    steps, episode = walk(outcomes, after=after, resolve_after=resolve_after)
    told = [s for s in steps if s in {"opened", "closed"}]
    assert told == (["opened", "closed"] * len(told))[: len(told)]
    assert (episode is not None and episode.is_firing) == (told[-1:] == ["opened"])


def test_a_column_that_nobody_was_told_of_is_told_once_while_the_episode_lasts():
    episode, steps = None, []
    for day, columns in enumerate(["a", "a", "ab", "b", "c"]):
        may_open = day != 4  # the last one is recomputed: it tells nothing
        episode, step = advance(
            episode, Outcome.REJECTED, float(day), columns=columns, may_open=may_open
        )
        steps.append(step.value)
    assert steps == ["opened", "updated", "widened", "updated", "updated"]
    assert episode.columns == {"a", "b"}


def test_labels_that_name_another_column_of_the_same_window_are_told():
    episode, _ = advance(None, Outcome.REJECTED, 1.0, columns="a")
    episode, step = advance(episode, Outcome.REJECTED, 1.0, columns="ay")
    assert (step, episode.rejections) == (Step.WIDENED, 1)


def drifted(**shifts):
    return alert_findings(
        wd.compare(houses(600, 1), houses(600, 2, **shifts), graph=EDGES, target="price")
    )


def test_a_covariate_shift_that_becomes_one_of_the_mechanism_opens_an_alert_of_its_own():
    covariate, mechanism = (AlertKey("price", AlertKind(k)) for k in ("covariate", "mechanism"))
    episodes, steps = advance_all({}, drifted(income_shift=0.8), 1.0)
    assert steps[covariate] is Step.OPENED
    assert episodes.keys() == {covariate}
    assert episodes[covariate].columns == {"income"}
    episodes, steps = advance_all(episodes, drifted(price_slope=2.0), 2.0)
    assert (steps[mechanism], steps[covariate]) == (Step.OPENED, Step.NONE)
    assert mechanism in episodes
    episodes, steps = advance_all(episodes, drifted(price_slope=2.0), 3.0)
    assert (steps[mechanism], steps[covariate]) == (Step.UPDATED, Step.CLOSED)


def test_faults_have_an_alert_of_their_own_and_what_is_unknown_holds_it():
    current = houses(600, 2).drop(columns="rooms")
    found = alert_findings(
        wd.compare(houses(600, 1), current, graph=EDGES, target="price"), "north"
    )
    fault = AlertKey("price", AlertKind.FAULT, "north")
    assert found[fault].columns == {"rooms"}
    late = alert_findings(
        wd.compare(houses(600, 1), current.drop(columns="price"), graph=EDGES, target="price")
    )
    for kind in (AlertKind.CONDITIONAL, AlertKind.MECHANISM):
        assert late[AlertKey("price", kind)].outcome is Outcome.UNKNOWN
    assert late[AlertKey("price", AlertKind.COVARIATE)].outcome is Outcome.QUIET


def misread(seed: int, move: float = 0.0) -> pd.DataFrame:
    """Prices follow income; the model also reads a column that says nothing of them."""
    rng = np.random.default_rng(seed)
    income, noise = rng.normal(size=(2, 2000))
    price = income + 0.5 * rng.normal(size=2000)
    noise = noise + move
    return pd.DataFrame({"income": income, "noise": noise, "price": price,
                         "predicted": 0.9 * income + 0.3 * noise})  # fmt: skip


def test_an_input_that_only_the_predictions_follow_opens_an_alert():
    key = AlertKey("price", AlertKind.COVARIATE)
    for move, outcome, columns in ((0.0, Outcome.QUIET, set()), (1.0, Outcome.REJECTED, {"noise"})):
        found = wd.compare(misread(1), misread(2, move), target="price", prediction="predicted")
        assert found.verdict == "none"
        alert = alert_findings(found)[key]
        assert (alert.outcome, alert.columns) == (outcome, columns)
