import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from whydrift.monitor.diagnosis.error_control import benjamini_hochberg, holm

p_values = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3), st.floats(0, 1), min_size=1, max_size=12
)


def test_holm_steps_down_as_in_the_textbook():
    # Holm (1979): compare the k-th smallest with level / (m − k + 1), stop at the first failure.
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}, 0.05)
    assert found == {"a", "d"}


@given(p_values)
def test_holm_rejects_at_least_what_bonferroni_does_and_at_most_the_uncorrected(p):
    rejected = holm(p, 0.05)
    assert {n for n, v in p.items() if v <= 0.05 / len(p)} <= rejected
    assert rejected <= {n for n, v in p.items() if v <= 0.05}


@given(p_values)
def test_q_values_agree_with_scipy(p):
    ours = benjamini_hochberg(p)
    theirs = false_discovery_control(np.array(list(p.values())))
    np.testing.assert_allclose([ours[n] for n in p], theirs, atol=1e-12)


def test_an_empty_family_has_no_rejections():
    assert holm({}, 0.05) == frozenset()
    assert benjamini_hochberg({}) == {}
