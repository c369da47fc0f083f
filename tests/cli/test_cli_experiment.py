"""``whydrift experiment``: sizes, effects, and whether the draw was kept."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    """Two hundred shops of ten rows; last month explains half of the spend's variance."""
    rng = np.random.default_rng(1)
    shop = np.repeat(np.arange(200), 10)
    last = rng.normal(size=2000)
    spend = last + (0.5**0.5 * rng.normal(size=200))[shop] + 0.5**0.5 * rng.normal(size=2000)
    path = tmp_path_factory.mktemp("past") / "may.csv"
    pd.DataFrame({"shop": shop, "last": last, "spend": spend}).to_csv(path, index=False)
    return path


def test_rows_of_an_effect_and_the_effect_of_rows_are_those_of_the_textbook(call):
    found = call("experiment", "power", "--effect", 0.1, "--spread", 1)
    assert (found.status, found.err) == (0, "")
    assert found.out.startswith("3,142 rows (1,571 and 1,571) find an effect of 0.1000 in 80%")
    back = json.loads(call("experiment", "power", "--rows", 3142, "--spread", 1, "--json", "-").out)
    assert back["schema"] == "whydrift/power/1"
    assert back["effect"] == pytest.approx(0.1, abs=1e-4) and back["rows_before"] is None


def test_what_was_seen_before_says_spread_clusters_and_what_is_known(call, past):
    asked = ("experiment", "power", past, "--outcome", "spend", "--effect", 0.2, "--json", "-")
    plain = json.loads(call(*asked).out)
    assert plain["spread"] == pytest.approx(2**0.5, rel=0.05) and plain["correlation"] == 0
    known = json.loads(call(*asked, "--before", "last").out)
    assert known["share_explained"] == pytest.approx(0.5, abs=0.05)
    assert known["rows"] == pytest.approx(plain["rows"] * (1 - known["share_explained"]), rel=0.02)
    shops = json.loads(call(*asked, "--before", "last", "--cluster", "shop").out)
    assert shops["cluster_rows"] == 10 and shops["correlation"] == pytest.approx(0.5, abs=0.08)
    factor = 1 + 9 * shops["correlation"]
    assert shops["rows"] == pytest.approx(known["rows"] * factor, rel=0.02)


def test_arms_of_the_planned_size_leave_with_0_and_others_with_1(call):
    kept = call("experiment", "sample-ratio", 9030, 1012, "--shares", "0.9,0.1")
    lost = call("experiment", "sample-ratio", 5012, 4671)
    assert (kept.status, lost.status) == (0, 1)
    assert kept.out.startswith("✓ sample ratio") and "lost some" in lost.out
    told = call("experiment", "sample-ratio", 5012, 4671, "--json", "-")
    assert told.status == 1 and json.loads(told.out)["outcome"] == "fail"
    assert call("experiment", "sample-ratio", 5012, 4671, "--quiet").out == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("poer",), ("'poer'", "Did you mean 'power'?")),
        (("power", "--spread", 1), ("--effect, --rows", "Give the effect")),
        (("power", "--spread", 1, "--effect", 1, "--rows", 9), ("one of both",)),
        (("power", "--effect", 1), ("--spread", "DATA")),
        (("power", "--effect", 0, "--spread", 1), ("cannot be found",)),
        (("power", "--effect", 1, "--spread", -1), ("spread", "standard deviation")),
        (("power", "--effect", 1, "--spread", 1, "--shares", "half"), ("--shares", "0.5,0.5")),
        (("sample-ratio", 5), ("COUNT", "each arm")),
        (("sample-ratio", 5, 6, "--shares", "1,2,3"), ("no shares of 2 arms",)),
        (("sample-ratio",), ("COUNT",)),
    ],
)
def test_bad_questions_are_refused_in_one_line(call, arguments, says):
    call("experiment", *arguments).refused(*says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--effect", 1), ("--outcome",)),
        (("--effect", 1, "--outcome", "spent"), ("Did you mean 'spend'?",)),
        (("--effect", 1, "--outcome", "spend", "--before", "lst"), ("Did you mean 'last'?",)),
        (("--effect", 1, "--outcome", "spend", "--spread", 1), ("one of the two",)),
    ],
)
def test_bad_columns_are_refused_in_one_line(call, past, arguments, says):
    call("experiment", "power", past, *arguments).refused(*says)
