"""Fixtures that tests of several folders ask for, and how hypothesis looks for examples."""

from hypothesis import HealthCheck, settings

from tests.postgres import postgres

__all__ = ["postgres"]

# The same examples each time, and none fails because the machine was busy with something else.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")
