"""Waits grow, differ from sender to sender, and end."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from tests.service.notices import NOW
from whydrift.monitor.service.notify.patience import is_given_up, seconds_to_wait
from whydrift.monitor.store.state import Message, OutboxRecord


def test_waits_double_up_to_an_hour_and_are_never_shorter_than_half():
    random = Random(7)
    for failures, most in ((1, 1), (2, 2), (5, 16), (12, 2048), (13, 3600), (10_000, 3600)):
        waits = [seconds_to_wait(failures, random) for _ in range(200)]
        assert most / 2 <= min(waits) and max(waits) <= most
        assert len({round(w, 6) for w in waits}) > 150  # no two senders come back together


def test_nobody_is_asked_before_the_time_they_named():
    assert seconds_to_wait(1, Random(7), retry_after=120.0) == 120.0
    assert seconds_to_wait(13, Random(7), retry_after=1.0) >= 1800


def test_a_message_is_given_up_after_a_day_of_attempts_and_not_of_waiting_for_us():
    def waiting(hours: float, attempts: int) -> bool:
        record = OutboxRecord(1, Message("n", "k", {}), NOW - timedelta(hours=hours), attempts, NOW)
        return is_given_up(record, NOW)

    assert waiting(25, 30) and not waiting(23, 30) and not waiting(25, 2)
