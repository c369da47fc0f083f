"""One self-contained HTML page from a Diagnosis, and its pictures."""

from whydrift.monitor.report.page import notebook_view, render_html, save_html

__all__ = ["notebook_view", "render_html", "save_html"]
