"""What Prometheus meets over the web: a scrape, and the link of an alert."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import promtool
from tests.service.asking import Served, served
from tests.service.watched import watched
from whydrift.monitor.diagnosis.alert import AlertKey, AlertKind
from whydrift.monitor.service.alert_names import report_link
from whydrift.monitor.store.state import AlertState

BASE = "https://w.example/sub"


@pytest.fixture(scope="module")
def prices(tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("prices")
    with served(watched(folder, web=f", external_url: '{BASE}'")) as found:
        yield found


def led(prices: Served, url: str) -> str:
    """Ask for a link as a proxy passes it on; return where it leads."""
    assert url.startswith(BASE)
    answer = prices.client.get(url.removeprefix(BASE))
    assert answer.status_code == 302, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.headers["location"]


def test_the_link_of_what_fires_leads_to_what_was_said_of_it_last(prices):
    alerts = prices.daemon.store.list_alerts(monitor="prices", states=[AlertState.FIRING])
    assert alerts
    for alert in alerts:
        place = led(prices, report_link(BASE, "prices", alert.key))
        assert place == f"/sub/diagnoses/{alert.result}"
        page = prices.client.get(place.removeprefix("/sub"))
        assert page.status_code == 200 and "prices" in page.text


def test_before_anything_fired_it_leads_to_the_newest_diagnosis_or_the_monitor(prices):
    newest = prices.daemon.board().monitors["prices"].newest()
    quiet = report_link(BASE, "prices", AlertKey("price", AlertKind.FAULT))
    assert led(prices, quiet) == f"/sub/diagnoses/{newest.id}"
    unknown = report_link(BASE, "prices", AlertKey("price", AlertKind.FAULT, "nowhere"))
    assert led(prices, unknown) == "/sub/monitors/prices"


def test_a_monitor_that_there_is_not_is_not_found(prices):
    url = report_link("", "nobody", AlertKey("price", AlertKind.FAULT))
    assert prices.client.get(url).status_code == 404
    assert prices.client.get("/monitors/prices/report?kind=nonsense").status_code == 422


def test_a_scrape_over_the_web_is_in_the_format_that_was_asked_for(prices):
    plain = prices.client.get("/metrics", headers={"Accept": "text/plain"})
    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    asked = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    opened = prices.client.get("/metrics", headers={"Accept": asked})
    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert opened.text.endswith("# EOF\n")
    promtool("check", "metrics", text=plain.content)
