"""Fixtures of the store, for tests of the daemon."""

from tests.monitor.conftest import reopened, store, url

__all__ = ["reopened", "store", "url"]
