"""What the HTTP side needs of the daemon, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from whydrift.monitor.config.model import Config
    from whydrift.monitor.service.board import BoardView
    from whydrift.monitor.service.clock import Clock
    from whydrift.monitor.service.report_queue import ReportQueue
    from whydrift.monitor.store.store import Store
    from whydrift.monitor.window.interval import Interval

__all__ = ["Service"]


class Service(Protocol):
    """The daemon, as the HTTP side sees it; called from several threads at once."""

    @property
    def clock(self) -> Clock:
        """Tells what time it is."""

    @property
    def store(self) -> Store:
        """Where all is kept."""

    @property
    def reports(self) -> ReportQueue:
        """Makes reports on demand."""

    def config(self) -> Config:
        """Return the configuration in force."""

    def board(self) -> BoardView:
        """Return what was last read of all monitors."""

    def is_alive(self) -> bool:
        """Whether the loop that looks for due checks still turns."""

    def why_not_ready(self) -> str | None:
        """Return in a sentence why nothing can be answered yet; None where all is well."""

    def reload(self) -> None:
        """Take the configuration's new text, if it is whole.

        Raises
        ------
        WhydriftError
            If it is not; the old one stays in force.
        """

    def reload_error(self) -> str | None:
        """Return what the last reload refused, secrets masked; None where it was taken."""

    def metrics(self, accept: str | None = None) -> tuple[bytes, str]:
        """Return all series, and the type of the text; ``accept`` is the header of who asks."""

    def submit_check(self, monitor: str, interval: Interval | None, *, recompute: bool) -> None:
        """Let a monitor be looked at now.

        Parameters
        ----------
        monitor : str
        interval : Interval, optional
            The window; whatever is due by default.
        recompute : bool
            Whether to judge again what was judged.

        Raises
        ------
        Busy
            If too much waits already.
        """
