"""Numbers that others have published, from the data they were found on."""

from __future__ import annotations

import pytest

import whydrift as wd
from tests.effects.worlds import (
    CARD_TERMS,
    LALONDE_TERMS,
    NHEFS_TERMS,
    nsw_treated_and_cps,
    real,
)
from whydrift.effects import Outcome


def test_the_nsw_experiment_raised_earnings_by_1794_dollars():
    # Dehejia & Wahba (1999), table 3: 1,794 with standard error 633 (pooled) or 671 (Neyman).
    effect = wd.estimate(real("nsw"), "treat", "re78", units="USD")
    assert round(effect.value, 2) == 1794.34
    assert round(effect.standard_error) == 671
    assert effect.method == "difference_in_means"


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("regression_adjustment", {}),
        ("regression_adjustment", {"interactions": False}),
        ("ipw", {}),
        ("doubly_robust", {}),
        ("dml", {}),
    ],
)
def test_quitting_smoking_adds_3_4_to_3_5_kg(method, options):
    # Hernán & Robins, What If: 3.4 (2.4, 4.5) by weighting (program 12.3), 3.5 (2.6, 4.5) by
    # standardisation (program 13.4), 3.5 by outcome regression (program 15.1).
    effect = wd.estimate(
        real("nhefs"), "qsmk", "wt82_71", method=method, adjustment=NHEFS_TERMS, **options
    )
    assert round(effect.value, 1) in {3.4, 3.5}
    assert round(effect.low, 1) in {2.4, 2.5} and round(effect.high, 1) in {4.3, 4.4, 4.5}
    assert effect.is_credible


def test_weighting_gives_3_441_kg_with_the_book_s_model():
    # What If, program 12.3: 3.4405 (stabilised and unstabilised weights alike).
    effect = wd.estimate(real("nhefs"), "qsmk", "wt82_71", method="ipw", adjustment=NHEFS_TERMS)
    assert round(effect.value, 3) == 3.441


def test_outcome_regression_gives_3_463_kg_with_the_book_s_model():
    # What If, program 15.1 without the product term: 3.4626.
    effect = wd.estimate(
        real("nhefs"), "qsmk", "wt82_71", method="regression_adjustment", adjustment=NHEFS_TERMS,
        interactions=False,
    )  # fmt: skip
    assert round(effect.value, 2) == 3.46


def test_unadjusted_quitting_adds_2_5_kg():
    # What If, program 12.1.
    effect = wd.estimate(real("nhefs"), "qsmk", "wt82_71")
    assert round(effect.value, 1) == 2.5


def test_a_year_of_schooling_is_worth_0_0747_by_least_squares():
    # Card (1995) / Wooldridge, example 15.4: 0.0747 (0.0035).
    effect = wd.estimate(
        real("card"), "educ", "lwage", method="regression_adjustment", adjustment=CARD_TERMS
    )
    assert round(effect.value, 4) == 0.0747
    assert effect.n == 3010


def test_the_raw_comparison_with_survey_men_is_8498_off_and_says_so():
    effect = wd.estimate(
        nsw_treated_and_cps(), "treat", "re78", method="difference_in_means", balance=LALONDE_TERMS
    )
    assert round(effect.value) == -8498
    assert not effect.is_credible
    assert {"overlap", "balance"} <= {check.name for check in effect.failed}
    assert str(effect).count("✗") >= 2 and "Do not rely on this number" in str(effect)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("matching", {}),
        ("matching", {"neighbours": 4}),
        ("matching", {"on": "propensity"}),
        ("matching", {"on": "propensity", "replacement": False, "caliper": 0.2}),
        ("ipw", {}),
        ("doubly_robust", {}),
    ],
)
def test_survey_controls_give_the_experiment_s_effect_on_the_treated_once_they_are_alike(
    method, options
):
    # Dehejia & Wahba (1999, 2002) find 1,119 to 1,774 on these controls by stratifying and
    # matching; Smith & Todd (2005) and others a wider range around it.
    effect = wd.estimate(
        nsw_treated_and_cps(), "treat", "re78", method=method, adjustment=LALONDE_TERMS,
        estimand="att", **options,
    )  # fmt: skip
    assert 1100 <= effect.value <= 1800
    assert effect.low < 1794 < effect.high
    assert effect.check("overlap").outcome is Outcome.PASS


def test_a_regression_on_all_survey_controls_gives_the_book_s_794():
    # Angrist & Pischke, Mostly Harmless Econometrics, table 3.3.3, CPS-1, demographic controls and
    # earnings of 1974 and 1975: 794 (548). Regressions on these controls lie below what matching
    # finds, since 92 % of the men, like none that were trained, shape the line.
    survey = nsw_treated_and_cps()
    asked = {"method": "regression_adjustment", "adjustment": LALONDE_TERMS}
    one = wd.estimate(survey, "treat", "re78", interactions=False, **asked)
    assert round(one.value) == 794
    assert one.check("overlap").outcome is Outcome.FAIL
    # A line for each arm, averaged over the treated, leans on the same men.
    two = wd.estimate(survey, "treat", "re78", estimand="att", **asked)
    assert round(two.value) == 796


def test_the_effect_on_all_survey_men_is_refused_for_want_of_overlap():
    effect = wd.estimate(
        nsw_treated_and_cps(), "treat", "re78", method="ipw", adjustment=LALONDE_TERMS
    )
    assert "overlap" in {check.name for check in effect.failed}
