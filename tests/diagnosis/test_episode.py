from hypothesis import given
from hypothesis import strategies as st

from whydrift.monitor.diagnosis.episode import Outcome, Step, advance

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


@given(st.text("Rq?", max_size=40), st.integers(1, 3), st.integers(1, 3))
def test_openings_and_closings_take_turns(outcomes, after, resolve_after):
    steps, episode = walk(outcomes, after=after, resolve_after=resolve_after)
    told = [s for s in steps if s in {"opened", "closed"}]
    assert told == (["opened", "closed"] * len(told))[: len(told)]
    assert (episode is not None and episode.is_firing) == (told[-1:] == ["opened"])
