"""One self-contained HTML page from a Diagnosis, and its pictures."""

from whydrift.monitor.report.index import Listed, render_index
from whydrift.monitor.report.page import Place, notebook_view, render_html, report_style, save_html

__all__ = [
    "Listed", "Place", "notebook_view", "render_html", "render_index", "report_style", "save_html",
]  # fmt: skip
