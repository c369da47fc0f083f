"""One self-contained HTML page from a Diagnosis, and its pictures."""

from whydrift.monitor.report.index import Listed, render_index
from whydrift.monitor.report.page import notebook_view, render_html, save_html

__all__ = ["Listed", "notebook_view", "render_html", "render_index", "save_html"]
