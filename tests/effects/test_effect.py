"""The Effect is a value: it goes to JSON and back, and tells one story."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest

import whydrift as wd
from tests.effects.worlds import confounded
from whydrift.effects import Check, Outcome, Table
from whydrift.effects.chart import Chart, Rule, Series, Shape
from whydrift.effects.estimand import Estimand
from whydrift.effects.words import interval_text, number_text

WORLD = confounded(300, 8)
HOSTILE = '<script>alert("x")</script>\x1b[31m'


def effect(**changed: object) -> wd.Effect:
    given = {
        "estimand": Estimand("ate", "average change of y", "E[Y(1) − Y(0)]"),
        "treatment": "a", "outcome": "y", "value": 1.0, "standard_error": 0.5, "low": 0.02,
        "high": 1.98, "level": 0.95, "p_value": 0.04, "n": 100, "method": "ipw",
    }  # fmt: skip
    return wd.Effect(**{**given, **changed})


@pytest.mark.parametrize("method", ["doubly_robust", "matching", "ipw", "regression_adjustment"])
def test_an_effect_goes_to_json_and_back(method):
    found = wd.estimate(WORLD, "treat", "y", adjustment=["x", "w"], method=method)
    text = found.to_json()
    again = wd.Effect.from_dict(json.loads(text))
    assert again == found and again.to_json() == text
    assert json.loads(text)["schema"] == "whydrift/effect/1"
    assert json.loads(text)["is_credible"] is found.is_credible


def test_numbers_that_are_not_finite_become_null():
    found = effect(high=np.inf, p_value=np.nan, standard_error=np.float64("nan"))
    assert (found.high, found.p_value, found.standard_error) == (None, None, None)
    assert "[0.02000, ∞]" in str(found)
    json.loads(found.to_json())


def test_what_is_no_effect_is_refused_in_one_sentence():
    for value in ({}, {"schema": "whydrift/graph/1"}, {"schema": "whydrift/effect/1"}, [1]):
        with pytest.raises(wd.WhydriftError, match="effect: "):
            wd.Effect.from_dict(value)


def test_a_failed_check_takes_the_credit_away():
    good = Check("overlap", Outcome.PASS, "fine")
    bad = Check("balance", Outcome.FAIL, "apart", 0.9, 0.25)
    assert effect(checks=(good,)).is_credible and not effect(checks=(good, bad)).is_credible
    assert not effect(value=None).is_credible
    assert effect(checks=(good, bad)).check("balance").value == 0.9
    with pytest.raises(wd.OptionError, match="Did you mean 'balance'"):
        effect(checks=(good, bad)).check("balanse")


@pytest.mark.parametrize(
    ("value", "outcome"), [(0.05, "pass"), (0.2, "warn"), (0.5, "fail"), (np.nan, "fail")]
)
def test_a_check_judges_by_its_limits(value, outcome):
    assert Check.at_most("x", value, "", warn=0.1, fail=0.3).outcome == outcome
    low = Check.at_least("x", -value, "", warn=-0.1, fail=-0.3)
    assert low.outcome == outcome
    if outcome in {"warn", "fail"} and value == value:
        assert low.threshold == {"warn": -0.1, "fail": -0.3}[outcome]


def test_every_method_tells_its_story_in_the_same_order():
    for method in ("regression_adjustment", "matching", "ipw", "doubly_robust", "dml"):
        lines = str(wd.estimate(WORLD, "treat", "y", adjustment=["x", "w"], method=method))
        first, *rest = lines.splitlines()
        assert first.startswith("Effect of treat on y: ") and "95% interval" in first
        assert any(f"by {method}" in line for line in rest)
        believed = next(i for i, line in enumerate(rest) if "check failed" in line)
        assumed = next(i for i, line in enumerate(rest) if line.startswith("Assumes: "))
        assert believed < assumed


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)


def test_names_from_the_data_cannot_play_tricks_on_a_notebook_or_a_page():
    from whydrift.monitor.report.effect_page import render_effect

    data = {HOSTILE if k == "x" else k: v for k, v in WORLD.items()}
    found = wd.estimate(data, "treat", "y", adjustment=[HOSTILE, "w"], method="ipw")
    for text in (found._repr_html_(), render_effect(found)):
        page = _Text()
        page.feed(text)
        assert "script" not in page.tags and "\x1b" not in text
    assert "\x1b" not in str(found)


def test_the_page_holds_the_story_every_check_and_a_picture_of_each_chart(tmp_path):
    found = wd.estimate(WORLD, "treat", "y", adjustment=["x", "w"], method="ipw", units="USD")
    found.save_html(tmp_path / "why.html")
    text = (tmp_path / "why.html").read_text()
    assert text.count("<svg") == 1 + len(found.charts)
    for check in found.checks:
        assert check.name.replace("_", " ") in text
    assert "USD" in text and "http" not in text.replace("http://www.w3.org/2000/svg", "").replace(
        "http-equiv", ""
    )


def test_charts_are_drawn_on_the_axes_given():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = wd.estimate(WORLD, "treat", "y", adjustment=["x", "w"], method="ipw")
    _, ax = plt.subplots()
    assert found.plot("overlap", ax) is ax
    assert found.plot().get_xlabel() and effect().plot().get_yticklabels()[0].get_text() == "ipw"
    with pytest.raises(wd.OptionError, match="Did you mean 'love'"):
        found.plot("lov")
    plt.close("all")


def test_points_that_are_not_finite_are_left_out_of_a_chart():
    series = Series.of("", [1, 2, np.nan], [1, np.inf, 3], low=[0, 0, 0], high=[2, np.nan, 2])
    assert (series.x, series.y, series.low) == ((1.0,), (1.0,), (0.0,))
    chart = Chart("c", "t", "x", "y", (series,), (Rule("x", 0.0),))
    assert Chart.from_dict(json.loads(json.dumps(chart.to_dict()))) == chart


@pytest.mark.parametrize("rows", [(), ("one", "two")])
@pytest.mark.parametrize("shape", list(Shape))
def test_every_shape_can_be_drawn_with_and_without_rows(rows, shape):
    from whydrift.monitor.report.chart_picture import chart_svg

    series = Series.of("s", [0, 1], [0, 1], low=[-1, None or np.nan], high=[1, 2], shape=shape)
    svg = str(chart_svg(Chart("c", "t", "x", "y", (series,), (Rule("y", 0.5, "a"),), rows)))
    assert svg.startswith("<svg") and "nan" not in svg and "inf" not in svg
    empty = Chart("c", "t", "x", "y", (), (), rows)
    assert str(chart_svg(empty)).startswith("<svg")


def test_a_table_holds_plain_values():
    table = Table.of("t", {"name": ["a", "b"], "value": np.array([1.5, np.nan])})
    assert table["value"] == (1.5, None) and len(table) == 2
    assert Table.from_dict(json.loads(json.dumps(table.to_dict()))) == table


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1794.34, "1,794"), (0.0746, "0.07460"), (-12.3456, "-12.35"), (1e-9, "1.000e-09"),
     (None, "–")],
)  # fmt: skip
def test_numbers_have_four_digits(value, text):
    assert number_text(value) == text


def test_both_ends_of_an_interval_have_as_many_decimals():
    assert interval_text(474.0, 3115.2) == "[474, 3,115]"
    assert interval_text(None, 1.0) == "[−∞, 1.000]"
