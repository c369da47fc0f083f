"""The pages on the configuration name every setting, and what they show is what is sent."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.service.notices import notice
from whydrift.monitor.config.schema import config_schema
from whydrift.monitor.service.notify.webhook import signature

DOCS = Path(__file__).parent.parent / "docs"


def test_every_setting_stands_in_the_reference_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.+) \|$", text("configuration.md"), re.MULTILINE)
    told = {(key, default.strip("`"), what) for key, default, what in rows}
    found = config_schema()
    for name, part in {"": found, **found["$defs"]}.items():
        for key, value in part.get("properties", {}).items():
            if name == "FromOutside":
                continue
            default = value.get("default")
            shown = default if isinstance(default, str) else json.dumps(default)
            written = (
                "**needed**" if key in part.get("required", ())
                else "" if default is None else shown.replace('"', "")
            )  # fmt: skip
            assert (key, written, value["description"]) in told, f"{name}.{key}"


def test_the_webhook_is_as_the_page_shows_it():
    (block,) = re.findall(r"```json\n(.*?)```", text("notifications.md"), re.DOTALL)
    assert list(json.loads(block)) == list(notice().to_dict())


def test_the_receiver_on_the_page_takes_what_we_sign_and_nothing_else(monkeypatch):
    (block,) = re.findall(r"```python\n(.*?)```", text("notifications.md"), re.DOTALL)
    scope: dict = {}
    exec(block, scope)
    monkeypatch.setattr(scope["time"], "time", lambda: 1000.0)
    good = {"X-Whydrift-Timestamp": "990", "X-Whydrift-Signature": signature("s", "990", b"{}")}
    assert scope["is_ours"](good, b"{}", "s")
    assert not scope["is_ours"](good, b"{ }", "s") and not scope["is_ours"](good, b"{}", "t")
    old = {"X-Whydrift-Timestamp": "100", "X-Whydrift-Signature": signature("s", "100", b"{}")}
    assert not scope["is_ours"](old, b"{}", "s")  # sent again by somebody who saw it


def text(name: str) -> str:
    return (DOCS / name).read_text()
