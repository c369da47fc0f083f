"""``whydrift effect``: statuses, streams, files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with shop.csv and graph.json: age causes promo and spend, promo adds 5."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(3)
    age = rng.normal(40, 10, 600)
    promo = (rng.random(600) < 1 / (1 + np.exp(-(age - 40) / 10))).astype(int)
    spend = 20 + age + 5 * promo + rng.normal(0, 5, 600)
    pd.DataFrame({"age": age, "promo": promo, "spend": spend}).to_csv(
        folder / "shop.csv", index=False
    )
    pairs = [["age", "promo"], ["age", "spend"], ["promo", "spend"]]
    (folder / "graph.json").write_text(json.dumps(pairs))
    (folder / "hidden.json").write_text(json.dumps([*pairs, ["u", "promo"], ["u", "spend"]]))
    return folder


def test_the_story_is_on_standard_output_and_the_status_0(call, shop):
    found = call("effect", shop / "shop.csv", "--treatment", "promo", "--outcome", "spend",
                 "--adjust", "age", "--units", "EUR")  # fmt: skip
    assert (found.status, found.err) == (0, "")
    first = found.out.splitlines()[0]
    assert first.startswith("Effect of promo on spend: +") and "EUR" in first
    assert "✓  overlap" in found.out and "assumes: " in found.out


def test_json_alone_on_standard_output(call, shop):
    found = call("effect", shop / "shop.csv", "--treatment", "promo", "--outcome", "spend",
                 "--graph", shop / "graph.json", "--json", "-")  # fmt: skip
    value = json.loads(found.out)
    assert found.err == "" and value["schema"] == "whydrift/effect/1"
    assert value["adjustment"] == ["age"] and value["low"] < 5 < value["high"]


def test_the_page_is_written(call, shop, tmp_path):
    page = tmp_path / "why.html"
    found = call("effect", shop / "shop.csv", "--treatment", "promo", "--outcome", "spend",
                 "--method", "ipw", "--adjust", "age", "--option", "trim=0.05",
                 "--estimand", "att", "--html", page)  # fmt: skip
    assert found.status == 0 and f"written: {page}" in found.out
    assert page.read_text().count("<svg") >= 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--treatment", "prmo", "--outcome", "spend"), ("'prmo'", "Did you mean 'promo'?")),
        (("--treatment", "promo"), ("--outcome",)),
        (("--treatment", "promo", "--outcome", "spend", "--method", "did2"), ("unknown method",)),
        (("--treatment", "promo", "--outcome", "spend", "--option", "trim"), ("NAME=VALUE",)),
        (("--treatment", "promo", "--outcome", "spend", "--adjust", "promo"), ("adjustment",)),
        (("--treatment", "promo", "--outcome", "spend", "--adjst", "a"), ("'--adjust'",)),
    ],
)
def test_wrong_input_is_one_message_and_status_2(call, shop, arguments, says):
    call("effect", shop / "shop.csv", *arguments).refused(*says)


def test_what_is_not_identified_is_refused_and_can_be_forced(call, shop):
    given = ("effect", shop / "shop.csv", "--treatment", "promo", "--outcome", "spend",
             "--graph", shop / "hidden.json")  # fmt: skip
    call(*given).refused("promo <-- u --> spend", "--force")
    forced = call(*given, "--force")
    assert forced.status == 0 and "Do not rely on this number" in forced.out


def test_designs_for_rows_that_touch_are_reached_by_options(call, tmp_path):
    rng = np.random.default_rng(8)
    rows = 300
    near = [f"{(i - 1) % rows} {(i + 1) % rows}" for i in range(rows)]
    hour = np.arange(rows)
    treat = rng.integers(0, 2, rows // 6 + 1)[hour // 6]
    frame = pd.DataFrame({
        "id": hour, "near": near, "hour": hour, "treat": treat, "tossed": rng.integers(0, 2, rows),
        "x": rng.random(rows) * 20, "z": rng.random(rows) * 20, "y": treat + rng.normal(size=rows),
    })  # fmt: skip
    table = tmp_path / "rows.csv"
    frame.to_csv(table, index=False)
    for treatment, method, *more in (
        ("tossed", "network_exposure", "--unit", "id", "--option", "neighbours=near",
         "--option", "share=0.5", "--estimand", "indirect"),
        ("treat", "switchback", "--time", "hour", "--option", "burn_in=1"),
        ("tossed", "spatial_rings", "--option", 'place=["x","z"]', "--option", "rings=[2,4]"),
    ):  # fmt: skip
        page = tmp_path / f"{method}.html"
        found = call("effect", table, "--treatment", treatment, "--outcome", "y",
                     "--method", method, *more, "--json", "-", "--html", page)  # fmt: skip
        assert (found.status, found.err) == (0, "")
        value = json.loads(found.out)
        assert value["method"] == method and value["low"] < value["value"] < value["high"]
        assert value["charts"] and "<svg" in page.read_text()
