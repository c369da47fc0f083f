"""The chances of each class beside the class that is predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd

import whydrift as wd
from whydrift.discovery.snapshot.snapshot import Snapshot
from whydrift.monitor.diagnosis.class_chances import class_chances

CLASSES = np.array(["bug", "sales", "other", "spam"])


def tickets(seed: int, *, longer: float = 0.0) -> pd.DataFrame:
    """The fourth class is never the likeliest."""
    rng = np.random.default_rng(seed)
    rows = 3_000
    length = rng.normal(longer, 1, rows)
    sender = rng.choice(["in", "out"], rows)
    is_out = sender == "out"
    utility = np.stack([0 * length, length + is_out, -length + 0.4, np.full(rows, -3.0)], axis=1)
    chance = np.exp(utility) / np.exp(utility).sum(axis=1, keepdims=True)
    truth = (utility + rng.gumbel(size=utility.shape)).argmax(axis=1)
    frame = pd.DataFrame({"length": length.round(3), "sender": sender, "share": rng.random(rows)})
    for k, name in enumerate(CLASSES):
        frame[f"p_{name}"] = chance[:, k].round(3)
    return frame.assign(y=CLASSES[truth], guess=CLASSES[chance.argmax(axis=1)])


def test_chances_are_known_by_their_sum_and_by_the_largest():
    frame = tickets(0)
    names = [c for c in frame.columns if c not in {"y", "guess"}]
    chances = tuple(f"p_{name}" for name in CLASSES)
    assert class_chances(Snapshot.from_frame(frame), "guess", names) == chances
    shares = frame.rename(columns={"guess": "y", "y": "guess"})  # a class that they do not predict
    assert class_chances(Snapshot.from_frame(shares), "guess", names) == ()
    without = Snapshot.from_frame(frame.drop(columns="p_other"))
    assert class_chances(without, "guess", [n for n in names if n != "p_other"]) == ()
    assert class_chances(Snapshot.from_frame(frame), "share", chances) == ()


def test_a_change_does_not_begin_at_a_chance_that_the_model_gives():
    right = 0
    for seed in range(3):
        before, after = tickets(2 * seed), tickets(2 * seed + 1, longer=0.5)
        found = wd.compare(before, after, target="y", prediction="guess")
        right += found.ranking == ("length",) and found.verdict == "covariate"
        codes = {(w.code, w.column) for w in found.warnings}
        assert {("made_by_model", f"p_{name}") for name in CLASSES} <= codes
    assert right >= 2
