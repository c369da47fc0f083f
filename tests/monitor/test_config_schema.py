"""The JSON Schema takes what is a configuration, and refuses what an editor should mark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.monitor.test_config import LEAST, WHOLE
from whydrift.monitor.config.schema import SCHEMA_FILE, config_schema, schema_text
from whydrift.monitor.strict_yaml import read_yaml

FOLDER = Path(__file__).parent.parent.parent / "config"


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    found = config_schema()
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def complaints(schema: Draft202012Validator, text: str) -> list[str]:
    value: Any = read_yaml(text, "w.yaml").value
    return [f"{error.json_path}: {error.message}" for error in schema.iter_errors(value)]


def test_the_committed_schema_is_that_of_the_settings():
    """Written by `whydrift export schema -o config`."""
    assert (FOLDER / SCHEMA_FILE).read_text() == schema_text()


def test_the_example_of_the_design_fits(schema):
    assert complaints(schema, WHOLE) == [] and complaints(schema, LEAST) == []


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.name)
def test_every_example_fits(schema, file):
    if file.name == "two-windows.yaml" or "monitors:" in file.read_text():
        assert complaints(schema, file.read_text()) == []


@pytest.mark.parametrize(
    "lines",
    [
        "    window: {rows: 1000}",
        "    window: {every: ${EVERY}, delay: '${DELAY:-2h}'}",
        "    reference: {last: 28}",
        "    columns: {ignore: id}",
        "    loss: quantile:0.9",
        "notify: [{slack: {url: {file: /run/secrets/slack}}}]",
        "checks: {workers: '${WORKERS}', memory: 512MiB}",
        "web: {listen: 0.0.0.0:80, auth: none}",
    ],
)
def test_what_is_read_fits(schema, lines):
    text = LEAST + lines.replace("every: ${EVERY}", "every: '${EVERY}'") + "\n"
    assert complaints(schema, text) == []


@pytest.mark.parametrize(
    "lines",
    [
        "    windw: {every: 1d}",
        "    window: {every: 1 day}",
        "    reference: {same: weekdays, last: 8w}",
        "    loss: sqared_error",
        "    graph: {method: best}",
        "notify: [{slack: {url: x}, webhook: {url: y}}]",
        "notify: [{name: a}]",
        "checks: {workers: 0}",
        "checks: {memory: much}",
        "sources: {A B: {files: x.csv}}",
        "version: 2",
    ],
)
def test_what_is_wrong_is_marked(schema, lines):
    text = (LEAST if "version" not in lines else LEAST.replace("version: 1\n", "")) + lines + "\n"
    assert complaints(schema, text)


def test_every_setting_says_what_it_is():
    found = config_schema()
    for name, part in {"": found, **found["$defs"]}.items():
        for key, value in part.get("properties", {}).items():
            assert value.get("description") or name == "FromOutside", f"{name}.{key}"


def test_no_secret_of_the_process_gets_into_it(monkeypatch):
    monkeypatch.setenv("HOOK_URL", "hush-hush")
    assert "hush-hush" not in json.dumps(config_schema())
