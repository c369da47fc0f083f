"""The pages: they lead on, hold whatever the data hold, and load nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import whydrift as wd
from tests.service.asking import Served, served
from tests.service.browser import chromium
from tests.service.stream import late_labels, rows, stream
from tests.service.watched import FIRST, NOW, FakeDaemon, empty, settings, watched
from whydrift.monitor.config.load import parse_config
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.diagnosis.episode import Episode, Step
from whydrift.monitor.service.references import Choice
from whydrift.monitor.service.web.pages.monitor import _left_out
from whydrift.monitor.service.web.pages.shell import ago, when
from whydrift.monitor.store import open_store
from whydrift.monitor.store.records import WindowKey
from whydrift.monitor.store.state import AlertChange, CheckOutcome, Settlement, VisitKind
from whydrift.monitor.window.interval import Interval

DAY = timedelta(days=1)
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
HTML = {"Accept": "text/html,application/xhtml+xml"}


class Page(HTMLParser):
    """Elements, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.inside: list[str] = []
        self.code: dict[str, list[str]] = {"style": [], "script": []}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] in self.code:
            self.code[self.inside[-1]].append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def links(self) -> list[str]:
        return [a["href"] for tag, a in self.elements if tag == "a" and "href" in a]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(watched(tmp_path_factory.mktemp("pages"))) as found:
        yield found


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A monitor whose labels come after three days, and of which y follows another rule by then."""
    folder = tmp_path_factory.mktemp("late")
    with late_labels(folder) as s:
        daemon = FakeDaemon(s.config, open_store(s.config.store.url.get_secret_value()), now=s.now)
    with served(daemon) as found:
        yield found


def page(there: Served, path: str, status: int = 200) -> Page:
    answer = there.client.get(path, headers=HTML)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    found = Page(answer.text)
    policy = answer.headers["content-security-policy"]
    for kind, texts in found.code.items():
        for text in texts:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy, f"the browser would not take this {kind}"
    return found


def is_harmless(found: Page) -> None:
    allowed = {"script"} if found.code["script"] else set()
    for tag, attributes in found.elements:
        assert tag not in {"script", "img", "iframe", "link", "object", "base"} - allowed, tag
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            address = attributes.get(name, "/")
            assert address.startswith("/"), address
            assert not address.startswith("//")


# ---- that they lead on -------------------------------------------------------------------------
def test_every_link_of_every_page_leads_somewhere(there: Served):
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = there.client.get(path, headers=HTML)
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            found = page(there, path)
            is_harmless(found)
            waiting += found.links()
    kinds = {re.sub(r"[0-9a-f]{32}", "ID", path) for path in seen}
    assert {"/", "/alerts", "/compare", "/compare?monitor=prices", "/monitors/prices",
            "/monitors/prices?segment=DE", "/diagnoses/ID", "/diagnoses/ID?pictures=yes",
            "/api/v1/diagnoses/ID"} <= kinds  # fmt: skip


def test_the_overview_says_what_fires_and_where(there: Served):
    text = page(there, "/").text
    fires = len(there.daemon.board().monitors["prices"].firing)
    assert f"1 monitor firing, {fires} alerts" in text
    assert "covariate and mechanism shift" in text
    assert "beginning at income" in text
    assert "mechanism: price" in text
    assert "covariate: income" in text
    assert "in 22 h" in text


def test_a_monitor_shows_its_windows_alerts_segments_and_what_to_do(there: Served):
    found = page(there, "/monitors/prices")
    text = found.text
    for words in ("price", "model <12>", "DE", "FR", "whydrift accept -c"):
        assert words in text
    boxes = [a for tag, a in found.elements if tag == "rect" and "t-both" in a.get("class", "")]
    assert len(boxes) >= 2
    assert "release, 2026-05-11T00:00:00Z: model <12> (tests)" in text
    assert "Left out of the reference" in text
    assert "2026-05-12 to 2026-05-13: it lies within an alert that nobody accepted" in text
    assert "Of the last 12 windows 11 count for the newest one; the others are left out." in text
    assert "11 of 12 windows; the others are left out" in text


def test_a_segment_has_a_page_of_its_own(there: Served):
    assert "· DE" in page(there, "/monitors/prices?segment=DE").text
    page(there, "/monitors/prices?segment=Mars", 404)


def test_a_diagnosis_leads_back_and_draws_pictures_where_they_are_asked_for(there: Served):
    identity = there.daemon.store.list_results(monitor="prices", segment="")[-1].id
    plain = page(there, f"/diagnoses/{identity}")
    assert "/monitors/prices" in plain.links()
    assert "Distribution of income" not in plain.text
    drawn = page(there, f"/diagnoses/{identity}?pictures=yes")
    assert "Distribution of income" in drawn.text


def test_comparing_offers_each_moment_once_where_windows_share_one(tmp_path: Path):
    daemon = empty(tmp_path)
    rows = wd.Snapshot.from_frame(pa.table({"price": np.arange(400.0)}))
    for days in (1, 3):
        key = WindowKey("prices", Interval(FIRST, FIRST + days * DAY))
        daemon.store.put_snapshot(key, rows)
    with served(daemon) as there:
        found = page(there, "/compare?monitor=prices")
    offered = [a["value"] for tag, a in found.elements if tag == "option" and a.get("value")]
    assert [value[:10] for value in offered] == ["2026-05-01", "2026-05-02", "2026-05-04"]
    assert "from 2026-05-01 to 2026-05-04" in found.text


def test_a_page_that_did_not_change_is_not_sent_again(there: Served):
    identity = there.daemon.store.list_results(monitor="prices")[-1].id
    first = there.client.get(f"/diagnoses/{identity}")
    again = there.client.get(
        f"/diagnoses/{identity}", headers={"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304
    assert first.headers["content-security-policy"] == again.headers["content-security-policy"]


def test_what_is_not_there_is_told_as_a_page_to_people_and_as_json_to_programs(there: Served):
    for path in ("/nothing", "/monitors/price", "/diagnoses/" + "0" * 32, "/reports/x"):
        found = page(there, path, 404)
        assert "All monitors" in found.text
        assert there.client.get(path).headers["content-type"] == "application/problem+json"
    assert "Did you mean 'prices'?" in page(there, "/monitors/price", 404).text
    page(there, "/?sort=name", 422)


# ---- in a browser ------------------------------------------------------------------------------
def test_a_browser_takes_our_style_and_asks_for_a_report(there: Served, tmp_path: Path):
    with chromium(tmp_path) as browser:
        colour, empty_text, _, text = browser.run(
            f"http://localhost:{there.port}/compare?monitor=prices",
            "getComputedStyle(document.querySelector('.top')).borderBottomStyle",
            "document.forms[0].elements['current.from'].value = 'tomorrow';"
            "document.forms[0].requestSubmit(); document.querySelector('output').textContent",
            "document.forms[0].elements['current.from'].value = '2026-05-12';"
            "document.forms[0].elements['reference.to'].value = '2026-05-12';"
            "document.forms[0].requestSubmit()",
            until="location.pathname.startsWith('/reports/')"
            " && document.body.innerText.includes('Where it began')",
        )
    assert colour == "solid"
    assert empty_text == ""
    assert "Distribution of price" in text


# ---- what they say when something is wrong -----------------------------------------------------
def test_before_anything_was_read_the_overview_teaches(tmp_path: Path):
    with served(empty(tmp_path)) as new:
        text = page(new, "/").text
        assert "Nothing has been judged yet" in text
        assert "since:" in text
        assert "Nothing has been judged yet" in page(new, "/monitors/prices").text
        assert "Nothing is kept of prices yet" in page(new, "/compare?monitor=prices").text
        assert "Nothing fires" in page(new, "/alerts").text


def test_an_alert_that_is_over_says_what_it_was_about_and_leads_there(tmp_path: Path):
    with stream(tmp_path, 13) as s:
        for day in (8, 9):
            s.write(day, rows(day, shift=3.0))
        s.until(13.1)
        showed = s.result(9)["id"]
        daemon = FakeDaemon(s.config, open_store(s.config.store.url.get_secret_value()), now=s.now)
    with served(daemon) as own:
        for path in ("/alerts", "/monitors/m"):
            found = page(own, path)
            resolved = found.text.partition("Resolved")[2]
            assert "beginning at a" in resolved.partition("What causes what")[0], path
            # Windows are named by their start: those of the days 8 and 11.
            assert re.search(r"all rows 2026-03-09 \d+ 2026-03-12 ", resolved), path
            assert f"/diagnoses/{showed}" in found.links()
        (alert,) = own.client.get("/api/v1/alerts?state=resolved").json()["alerts"]
        assert alert["diagnosis"].endswith(showed)


def test_late_labels_that_page_stand_beside_a_newer_window_at_rest(late: Served):
    """The newest window, without labels, looks as always; no green word may stand over an alert."""
    for path in ("/", "/monitors/m"):
        found = page(late, path)
        chips = [a["class"] for _, a in found.elements if "badge-word" in a.get("class", "")]
        assert "badge-word v-quiet" in chips and "badge-word v-mechanism" in chips, path
        assert "badge-word v-none" not in chips, path
        assert "no shift" in found.text and "mechanism shift" in found.text, path
        assert "what leads to y has changed" in found.text, path
    assert "with labels, window of 2026-03-09" in page(late, "/").text
    assert "newest window with labels, from 2026-03-09 to 2026-03-10" in found.text
    (said,) = late.client.get("/api/v1/monitors").json()["monitors"]
    assert (said["verdict"], said["newest"]["stage"]) == ("none", "features")
    labelled = said["labelled"]
    assert (labelled["stage"], labelled["verdict"]) == ("labels", "mechanism")
    assert labelled["window"]["start"] == "2026-03-09T00:00:00Z"
    assert "what leads to y has changed" in labelled["summary"]


def test_what_is_wrong_with_the_service_stands_on_every_page(there: Served):
    daemon = there.daemon
    daemon.reload_fails, daemon.alive = "line 3: '1x' is no duration", False
    daemon.now += timedelta(hours=2)
    try:
        for path in ("/", "/monitors/prices", "/alerts", "/compare"):
            text = page(there, path).text
            assert "the old configuration is in force: line 3: '1x' is no duration" in text
            assert "stands still" in text
            assert "was read 2 h ago" in text
    finally:
        daemon.reload_fails, daemon.alive = None, True
        daemon.now -= timedelta(hours=2)


def test_failures_pauses_and_delays_are_told_and_come_first(tmp_path: Path):
    names = ("well", "paused", "failing", "late")
    listed = "".join(
        f"  - name: {name}\n    source: {{files: x.parquet, time_column: at}}\n"
        "    window: {every: 1d}\n    since: 2026-05-01\n"
        for name in names
    )
    config = parse_config(settings(tmp_path).partition("monitors:")[0] + "monitors:\n" + listed)
    store = open_store(config.store.url.get_secret_value(), clock=lambda: NOW)
    for name in names:
        store.begin(name, FIRST)
    interval = Interval(NOW.replace(hour=0) - DAY, NOW.replace(hour=0))
    store.fail(
        "failing", interval, VisitKind.FEATURES, "x.parquet: there is no such file <b>",
        next_at=NOW + timedelta(minutes=5), lease=None,
    )  # fmt: skip
    store.set_paused("paused", True)
    with served(FakeDaemon(config, store)) as found:
        links = [link for link in page(found, "/").links() if link.startswith("/monitors/")]
        text = page(found, "/").text
        assert links[0] == "/monitors/failing"
        assert links[-1] == "/monitors/paused"
        assert "1 failed in a row" in text
        assert "there is no such file <b>" in text
        assert "late, due" in text
        assert "in 5 min" in page(found, "/monitors/failing").text
        assert "Paused" in page(found, "/monitors/paused").text


def test_windows_without_rows_stand_in_the_lane_of_the_only_stage(tmp_path: Path):
    daemon = empty(tmp_path)
    store = daemon.store
    config = store.put_config("prices", "x: 1")
    for day in range(2):
        interval = Interval(FIRST + day * DAY, FIRST + (day + 1) * DAY)
        store.settle(
            Settlement("prices", interval, VisitKind.LABELS, CheckOutcome.NO_DATA, config), None
        )
    daemon.refresh()
    with served(daemon) as there:
        shown = page(there, "/monitors/prices").text
        assert shown.count(": no rows") == 2
        assert "labels labels" in shown and "features features" not in shown


# ---- that they hold whatever the data hold -----------------------------------------------------
def test_names_from_the_data_are_shown_and_never_run(tmp_path: Path):
    daemon = empty(tmp_path)
    rng = np.random.default_rng(1)

    def rows(shift: float) -> pa.Table:
        x = rng.normal(size=400) + shift
        return pa.table({HOSTILE: x, "price": x + rng.normal(size=400)})

    found = wd.compare(rows(0), rows(2), target="price", graph=[(HOSTILE, "price")]).to_dict()
    found |= {"monitor": "prices", "segment": HOSTILE}
    interval = Interval(FIRST, FIRST + DAY)
    key = AlertKey("price", AlertKind.COVARIATE, HOSTILE)
    end = interval.end.timestamp()
    episode = Episode(end, end, counted=end, is_firing=True, columns=frozenset({HOSTILE}))
    store = daemon.store
    whole = {**found, "id": "0" * 32, "segment": None, "summary": HOSTILE}
    store.settle(
        Settlement(
            "prices", interval, VisitKind.LABELS, CheckOutcome.DRIFT,
            store.put_config("prices", "x: 1"), {"": whole, HOSTILE: found},
            alerts=(AlertChange(key, Step.OPENED, episode, interval.end, found["id"],
                                {"summary": HOSTILE}),),
        ),
        None,
    )  # fmt: skip
    store.put_event("release", HOSTILE, at=FIRST, actor=HOSTILE, monitor="prices")
    store.put_graph("prices", wd.Graph.from_pairs([(HOSTILE, "price")]), learned_from=HOSTILE)
    daemon.refresh()
    with served(daemon) as there:
        paths = [
            "/", "/alerts", "/monitors/prices", f"/diagnoses/{found['id']}",
            page(there, "/monitors/prices").links(),
        ]  # fmt: skip
        segment = next(link for link in paths.pop() if "segment=" in link)
        for path in [*paths, segment]:
            shown = page(there, str(path))
            is_harmless(shown)
            assert "alert(1)" in shown.text.replace(" ", "")


def test_what_events_did_to_the_loss_is_told_on_the_page_when_asked_for(there: Served):
    shown = page(there, "/monitors/prices")
    (link,) = (h for h in shown.links() if "effects=yes" in h)
    asked = page(there, link.partition("#")[0])
    assert "the mean went from" in asked.text or "cannot be said" in asked.text
    assert "the mean went from" not in shown.text and "cannot be said" not in shown.text


def test_windows_left_out_long_ago_are_counted_by_reason():
    windows = [Interval(FIRST + day * DAY, FIRST + (day + 1) * DAY) for day in range(25)]
    reasons = ["its values were broken", *["it shows a drift"] * 24]
    shown, earlier = _left_out(Choice((), tuple(zip(windows, reasons, strict=True))))
    assert [interval for interval, _ in shown] == windows[5:]
    assert earlier == [("it shows a drift", 4), ("its values were broken", 1)]


# ---- words -------------------------------------------------------------------------------------
def test_how_long_ago_is_said_in_words():
    words = [ago(NOW - timedelta(seconds=s), NOW) for s in (0, 59, 60, 7199, 7200, 200_000)]
    assert words == ["just now", "just now", "1 min ago", "120 min ago", "2 h ago", "2 d ago"]
    assert ago(NOW + timedelta(hours=3), NOW) == "in 3 h"
    assert ago(None, NOW) == "never"
    assert [when(FIRST), when(NOW), when(None)] == ["2026-05-01", "2026-05-14 03:00", "–"]


def test_times_of_a_list_run_one_way(there: Served):
    ends = [w["window"]["end"] for w in there.client.get(
        "/api/v1/monitors/prices/windows").json()["windows"]]  # fmt: skip
    assert all(a > b for a, b in pairwise(ends))
