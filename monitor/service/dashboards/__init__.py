"""The dashboards for Grafana, as deploy/grafana/build.py built them: nothing is made here."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["dashboard_texts"]


def dashboard_texts() -> dict[str, str]:
    """Return the JSON of each dashboard, by the name of its file."""
    found = (path for path in files(__name__).iterdir() if path.name.endswith(".json"))
    return {path.name: path.read_text("utf-8") for path in sorted(found, key=lambda p: p.name)}
