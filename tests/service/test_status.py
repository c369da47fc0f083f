"""The first words about a monitor are those of its report."""

import numpy as np
import pytest

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.monitor.service.status import _headline


@pytest.mark.parametrize(("bias", "words"), [(0.0, "no shift"), (0.5, "model or serving changed")])
def test_a_changed_model_is_no_no_shift(bias, words):
    past, now = (houses(2000, seed) for seed in (1, 2))
    reference = past.assign(guess=np.sin(past["income"]))
    current = now.assign(guess=np.sin(now["income"]) + bias)
    options = {"graph": EDGES, "target": "price", "prediction": "guess"}
    assert _headline(wd.compare(reference, current, **options).to_dict()) == words


def test_without_a_result_there_are_no_words():
    assert _headline({}) == ""
