"""Quantile and custom losses, and recorded losses that no longer are what they say."""

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from whydrift.discovery.errors import OptionError
from whydrift.monitor.diagnosis.diagnosis import FaultKind

PAIRS = [("x", "y")]


def window(seed: int, rows: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": x + rng.normal(size=rows), "guess": x + 0.3})


def judged(reference: pd.DataFrame, current: pd.DataFrame, loss="auto"):
    return wd.compare(reference, current, graph=PAIRS, target="y", prediction="guess", loss=loss)


def pinball(guess: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y > guess, 0.9 * (y - guess), 0.1 * (guess - y))


def test_the_quantile_loss_is_the_pinball_loss():
    reference, current = window(1), window(2)
    named, own = judged(reference, current, "quantile:0.9"), judged(reference, current, pinball)
    assert named.metric.name == "quantile:0.9"
    assert own.metric.name == "pinball"
    assert named.metric.current == pytest.approx(pinball(current.guess, current.y).mean())
    assert own.metric.change.low == pytest.approx(named.metric.change.low)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("quantile", "no level"),
        ("quantile:1.5", "no level"),
        ("quantile:half", "no level"),
        ("quantil:0.9", "quantile:0.9"),
        (3, "a int is no loss"),
        (lambda f, y: ((f - y) ** 2).mean(), "one loss a row"),
        (lambda f, y: np.full(len(y), np.nan), "not finite"),
        (lambda f: f, "could not be computed"),
    ],
)
def test_a_loss_that_is_none_is_refused(loss, said):
    with pytest.raises(OptionError, match=said):
        judged(window(1, 60), window(2, 60), loss)


def test_a_custom_loss_is_not_asked_about_rows_without_a_label():
    current = window(2)
    current.loc[::3, "y"] = np.nan
    found = judged(window(1), current, lambda guess, y: np.abs(guess - y))
    assert found.metric.name == "custom loss"
    assert found.metric.current == pytest.approx((current.guess - current.y).abs().mean())


LOSSES = {
    "squared_error": lambda d: (d.y - d.guess) ** 2,
    "absolute_error": lambda d: (d.y - d.guess).abs(),
    "quantile:0.9": lambda d: pinball(d.guess, d.y),
}


def snapshots(reference: pd.DataFrame, current: pd.DataFrame):
    a = wd.Snapshot.from_frame(reference, roles={"cost": "loss"})
    return a, wd.Snapshot.from_frame(current, schema=a.schema)


@pytest.mark.parametrize("name", LOSSES)
def test_a_recorded_loss_is_checked_against_prediction_and_target(name):
    reference, current = (d.assign(cost=LOSSES[name]) for d in (window(1), window(2)))
    sound = judged(*snapshots(reference, current.astype("float32")))
    assert sound.faults == ()
    current.loc[::10, "cost"] += 1.0
    (fault,) = judged(*snapshots(reference, current)).faults
    assert (fault.kind, fault.columns) == (FaultKind.IDENTITY_BROKEN, ("cost",))
    assert fault.share == pytest.approx(0.1, abs=0.01)


def test_wrong_classes_are_counted_by_the_loss_of_classes():
    def classes(seed: int) -> pd.DataFrame:
        frame = window(seed)
        y, guess = np.where(frame.y > 0, "hot", "cold"), np.where(frame.x > 0, "hot", "cold")
        return frame.assign(y=y, guess=guess, cost=(y != guess).astype(int))

    reference, current = classes(1), classes(2)
    assert judged(*snapshots(reference, current)).faults == ()
    current.loc[::4, "cost"] = 0
    (fault,) = judged(*snapshots(reference, current)).faults
    assert fault.columns == ("cost",)


def test_a_loss_of_another_kind_is_no_broken_identity():
    reference, current = (
        d.assign(cost=np.random.default_rng(3).normal(size=len(d))) for d in (window(1), window(2))
    )
    assert judged(*snapshots(reference, current)).faults == ()
