"""Fixtures that tests of several folders ask for."""

from tests.postgres import postgres

__all__ = ["postgres"]
