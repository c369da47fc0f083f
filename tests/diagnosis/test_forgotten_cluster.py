"""A user id that was left among the features."""

import numpy as np
import pandas as pd
import pytest

import whydrift


def visits(rng, first: int, own: float, users: int = 20) -> pd.DataFrame:
    user = np.repeat(np.arange(users) + first, 15)
    typical = own * rng.normal(size=users)
    x = np.repeat(typical, 15) + rng.normal(size=len(user))
    rows = pd.DataFrame({"user": [f"u{k}" for k in user], "x": x, "y": x + rng.normal(size=len(x))})
    return rows.sample(frac=1, random_state=int(rng.integers(1000)))


@pytest.mark.parametrize(
    ("first", "own", "cluster", "told"),
    [
        (100, 1.0, None, True),
        (100, 1.0, "user", False),
        (100, 0.0, None, False),  # rows are not alike
        (0, 1.0, None, False),  # the same levels: a kind as good as a name
    ],
)
def test_a_user_id_among_the_features_is_told(first, own, cluster, told):
    rng = np.random.default_rng(41)
    before, after = visits(rng, 0, own), visits(rng, first, own)
    found = whydrift.compare(before, after, target="y", graph=[("x", "y")], cluster=cluster)
    assert (("cluster_not_named", "user") in {(w.code, w.column) for w in found.warnings}) is told
