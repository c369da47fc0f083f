"""The report page: safe whatever the data hold, whole without network or script, and honest."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import whydrift as wd
from tests.diagnosis.worlds import EDGES, houses
from whydrift.monitor.diagnosis.diagnosis import GraphChange, ShiftType
from whydrift.monitor.report import notebook_view, render_html, save_html
from whydrift.monitor.report.distribution_picture import distribution_svg
from whydrift.monitor.report.graph_picture import graph_svg

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Page(HTMLParser):
    """Elements, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def joined(self) -> str:
        """The words as a reader sees them, where a name may be cut by places to break at."""
        return "".join(self.words)

    def count(self, tag: str, class_: str | None = None) -> int:
        return sum(
            t == tag and (class_ is None or class_ in (a.get("class") or "").split())
            for t, a in self.elements
        )


def diagnosed(**changes: float) -> wd.Diagnosis:
    return wd.compare(
        houses(1500, 1), houses(1500, 2, **changes), graph=wd.Graph.from_pairs(EDGES),
        target="price",
    )  # fmt: skip


@pytest.fixture(scope="module")
def both() -> wd.Diagnosis:
    return diagnosed(income_shift=0.6, price_slope=0.2)


def test_the_page_opens_with_the_sentence_for_the_person_on_call(both):
    page = Page(render_html(both))
    first = next(i for i, (tag, _) in enumerate(page.elements) if tag == "h1")
    assert "h2" not in [tag for tag, _ in page.elements[:first]]
    assert both.summary in page.text
    assert both.remedy.text in page.text


def test_the_page_needs_neither_network_nor_script(both):
    page = Page(render_html(both))
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        assert not {"src", "href", "srcset", "action"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
    policy = [a.get("content") for _, a in page.elements
              if a.get("http-equiv") == "Content-Security-Policy"]  # fmt: skip
    assert policy and str(policy[0]).startswith("default-src 'none'")


def test_every_cause_has_a_card_with_pictures_of_what_moved(both):
    page = Page(render_html(both))
    assert both.ranking and page.count("article") == len(both.ranking)
    # The graph, two pictures of the broken relationship, one of the source, the contributions.
    assert page.count("svg") >= 1 + len(both.ranking) + 1
    for name in both.graph.nodes:
        assert name in page.text
    assert page.count("g", "node") == len(both.graph.nodes)
    for name, verdict in (("income", "mechanism"), ("price", "mechanism")):
        assert both.columns[name].verdict == verdict
    assert page.count("g", "mechanism") == 2


def test_names_and_values_from_the_data_stay_text():
    rng = np.random.default_rng(0)
    bait = ["<b>x</b>", "</style><script>alert(3)</script>", "plain"]

    def frame(shift: float) -> pd.DataFrame:
        a = shift + rng.normal(size=600)
        return pd.DataFrame(
            {
                HOSTILE: a,
                "</title><script>": rng.choice(bait, 600, p=[0.5, 0.3, 0.2]),
                "y": a + rng.normal(size=600),
            }
        )

    diagnosis = wd.compare(frame(0), frame(1), graph=[(HOSTILE, "y")], target="y")
    assert HOSTILE in diagnosis.ranking
    for text in (render_html(diagnosis), notebook_view(diagnosis), diagnosis.graph._repr_html_()):
        page = Page(text)
        assert not {"script", "img", "b>x"} & {tag for tag, _ in page.elements}
        assert not [n for _, attributes in page.elements for n in attributes if n.startswith("on")]
    assert HOSTILE in "".join(Page(render_html(diagnosis)).words)


def test_marks_that_turn_the_direction_of_writing_never_reach_a_page():
    evil, bait = "in\u202ecome\x07", "no\u2066rth"
    rng = np.random.default_rng(0)

    def frame(shift: float) -> pd.DataFrame:
        a = shift + rng.normal(size=600)
        word = rng.choice([bait, "south"], 600, p=[0.5 + 0.3 * shift, 0.5 - 0.3 * shift])
        return pd.DataFrame({evil: a, f"{evil}2": word, "y": a + rng.normal(size=600)})

    diagnosis = wd.compare(frame(0), frame(1), graph=[(evil, "y")], target="y")
    assert {evil, f"{evil}2"} <= set(diagnosis.ranking)
    pages = [render_html(diagnosis, title=evil), notebook_view(diagnosis),
             str(graph_svg(diagnosis.graph))]  # fmt: skip
    for text in pages:
        assert not {"\u202e", "\u2066", "\x07"} & set(text)
        assert "in\\u202ecome" in Page(text).joined
    assert "no\\u2066rth" in Page(pages[0]).joined


def test_long_names_break_after_underscores_and_nowhere_else():
    frames = [houses(300, s).rename(columns={"income": "income_of_the_household"}) for s in (1, 2)]
    text = render_html(wd.compare(*frames, graph=wd.Graph(("income_of_the_household",))))
    assert "income_<wbr>of_<wbr>the_<wbr>household</td>" in text


def test_a_remedy_of_nothing_has_a_title_in_words():
    page = Page(render_html(diagnosed()))
    assert "Nothing to mend" in page.text and " none " not in page.text.split("What causes")[0]


def test_a_diagnosis_read_from_json_gives_a_page_that_says_what_it_lacks(both):
    again = wd.Diagnosis.from_dict(both.to_dict())
    page = Page(render_html(again))
    assert "from the JSON report alone" in page.text
    assert both.summary in page.text
    assert page.count("article") == len(both.ranking)


def test_p_values_that_underflow_and_a_single_row_read_as_words(both):
    change = GraphChange("income", "price", "strength", 1e-310)
    told = replace(
        both,
        graph_change=(change, replace(change, p_value=0.012)),
        current=replace(both.current, rows=1),
        slow={"income": 7},
        slow_p_values={"income": 0.0},
    )
    page = render_html(told)
    assert "(p &lt; 1e-300)" in page and "(p = 0.012)" in page and "windows: p &lt; 1e-300" in page
    assert "p = &lt;" not in page
    assert "1 row<" in page and "1 rows" not in page


def test_a_quiet_window_gives_a_page_without_causes():
    diagnosis = diagnosed()
    page = Page(render_html(diagnosis))
    assert diagnosis.ranking == () and page.count("article") == 0
    assert "Nothing to do" in page.text


@pytest.mark.parametrize("case", ["one column", "constant", "missing", "many categories"])
def test_awkward_columns_are_drawn(case):
    rng = np.random.default_rng(4)

    def frame(now: bool) -> pd.DataFrame:
        x = rng.normal(size=400) + 2 * now
        if case == "one column":
            return pd.DataFrame({"x": x})
        if case == "constant":
            return pd.DataFrame({"x": x, "c": np.full(400, 5.0 if now else 1.0)})
        if case == "missing":
            return pd.DataFrame({"x": np.where(rng.random(400) < 0.4 * now, np.nan, x)})
        return pd.DataFrame({"x": x, "k": rng.choice([f"k{i}" for i in range(300)], 400)})

    diagnosis = wd.compare(frame(False), frame(True))
    assert diagnosis.found or diagnosis.ranking
    assert Page(render_html(diagnosis)).count("svg") >= 1


def test_a_page_that_cannot_be_written_is_told_with_the_file(both, tmp_path):
    with pytest.raises(wd.SourceError, match="nowhere"):
        save_html(both, tmp_path / "nowhere" / "why.html")
    both.save_html(tmp_path / "why.html")
    assert [f.name for f in tmp_path.iterdir()] == ["why.html"]


def test_a_verdict_is_told_with_how_sure_it_is_and_what_would_have_been_seen(
    both: wd.Diagnosis,
) -> None:
    text = Page(render_html(both)).text
    assert "Given all inputs, price moved: what a model learned no longer holds" in text
    income, region = both.columns["income"], both.columns["region"]
    assert income.confidence is not None
    assert region.detectable_effect is not None
    assert f"{income.confidence:.0%}" in text
    assert f"{100 * region.detectable_effect:.2g} points" in text
    # More than a share can move: so no change would have been seen.
    blind = replace(
        both, columns={**both.columns, "region": replace(region, detectable_effect=1.1)}
    )
    assert "110 points" not in Page(render_html(blind)).text


def test_a_fault_is_told_with_its_share_of_rows() -> None:
    current = houses(1500, 2)
    current.loc[::5, "rooms"] = np.nan
    text = Page(render_html(wd.compare(houses(1500, 1), current, graph=EDGES))).text
    assert "20% of the rows" in text
    assert "Not undone" in text


def test_a_number_of_few_values_is_drawn_value_by_value_and_two_units_on_a_log_axis() -> None:
    rng = np.random.default_rng(0)
    tables = [
        pd.DataFrame({"minutes": rng.choice([20, 25, 30], n), "price": np.exp(rng.normal(3, 1, n))})
        for n in (5_000, 300)
    ]
    tables[1]["price"] = (100 * tables[1]["price"]).round()
    tables[1]["minutes"] += 5
    found = wd.compare(*tables)
    assert set(found.ranking) == {"minutes", "price"}
    assert found.evidence is not None
    drawn = Page(str(distribution_svg(found.evidence, "minutes")))
    assert drawn.count("rect", "ref") == drawn.count("rect", "cur") == 4
    assert not drawn.count("polyline")
    drawn = Page(str(distribution_svg(found.evidence, "price")))
    assert drawn.count("polyline") == 2
    assert {"10", "100", "1,000"} <= set(drawn.words)


def test_weekdays_are_drawn_in_their_order() -> None:
    rng = np.random.default_rng(0)
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    tables = [
        pd.DataFrame({"day": rng.choice(days, 900, p=p), "x": rng.normal(size=900)})
        for p in ([1 / 7] * 7, [0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.3])
    ]
    found = wd.compare(*tables)
    assert found.evidence is not None
    drawn = Page(str(distribution_svg(found.evidence, "day")))
    assert [w for w in drawn.words if w in days] == days


def test_of_twelve_months_those_with_most_rows_are_drawn_in_their_order() -> None:
    rng = np.random.default_rng(0)
    names = ["January", "February", "March", "April", "May", "June", "July", "August",
             "September", "October", "November", "December"]  # fmt: skip
    share = np.array([1.0] * 6 + [3.0] * 6)
    table = pd.DataFrame(
        {"month": rng.choice(names, 3_000, p=share / share.sum()), "x": rng.normal(size=3_000)}
    )
    found = wd.compare(table, table.sample(frac=1, random_state=1))
    assert found.evidence is not None
    drawn = [w for w in Page(str(distribution_svg(found.evidence, "month"))).words if w in names]
    assert drawn[-6:] == names[6:]
    assert drawn == sorted(drawn, key=names.index)


def test_that_a_model_still_holds_is_said_only_where_all_rows_could_be_compared():
    def page(**changes: float) -> str:
        return Page(render_html(diagnosed(**changes))).text

    whole = "Given all inputs, price did not move: what a model learned still holds."
    assert whole in page()
    far = page(income_shift=1.5)
    assert "Given all inputs, price did not move where rows of both windows lie." in far
    assert "still holds" not in far


def test_that_a_model_still_holds_is_not_said_of_a_target_that_moved(both):
    doubtful = replace(both, conditional_shift=False, shift_type=ShiftType.COVARIATE)
    text = Page(render_html(doubtful)).text
    assert both.columns["price"].verdict == "mechanism"
    assert "given its parents it did" in text
    assert "still holds" not in text and "words of the literature" not in text
