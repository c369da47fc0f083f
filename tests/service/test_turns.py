"""Whose turn it is, without a worker."""

from whydrift.monitor.service.turns import Turns


def drawn(turns: Turns[int], count: int) -> list[tuple[str, int] | None]:
    return [turns.next() for _ in range(count)]


def test_monitors_take_turns_and_each_does_one_thing_at_a_time_in_its_order():
    turns: Turns[int] = Turns(3)
    turns.offer("a", [1, 2, 3])
    turns.offer("b", [10])
    assert drawn(turns, 3) == [("a", 1), ("b", 10), None]
    assert turns.running == {"a", "b"} and turns.waiting == 2
    turns.over("a", failed=False)
    assert drawn(turns, 2) == [("a", 2), None]
    turns.offer("b", [11])
    turns.over("b", failed=False)
    turns.over("a", failed=False)
    assert drawn(turns, 3) == [("a", 3), ("b", 11), None]


def test_a_monitor_with_much_to_do_does_not_keep_others_waiting():
    turns: Turns[int] = Turns(1)
    turns.offer("backfill", range(100))
    turns.offer("daily", [7])
    first = turns.next()
    turns.over("backfill", failed=False)
    assert (first, turns.next()) == (("backfill", 0), ("daily", 7))


def test_monitors_that_failed_leave_one_worker_to_the_others():
    turns: Turns[int] = Turns(2)
    for name in ("hangs", "hangs too", "well"):
        turns.offer(name, [1, 2])
    assert drawn(turns, 2) == [("hangs", 1), ("hangs too", 1)]
    turns.over("hangs", failed=True)
    turns.over("hangs too", failed=True)
    # What waited of them is gone: whether it is due is asked again.
    assert turns.waiting == 2
    turns.offer("hangs", [1])
    turns.offer("hangs too", [1])
    begun = [t[0] for t in drawn(turns, 3) if t is not None]
    assert len(begun) == 2 and "well" in begun
    turns.over("hangs", failed=False)
    turns.over("hangs too", failed=False)


def test_a_single_worker_is_shared_by_all_even_if_they_failed():
    turns: Turns[int] = Turns(1)
    turns.offer("a", [1])
    assert turns.next() == ("a", 1)
    turns.over("a", failed=True)
    turns.offer("a", [1])
    assert turns.next() == ("a", 1)


def test_what_somebody_asked_for_comes_first_and_once():
    turns: Turns[int] = Turns(1)
    turns.offer("a", [1, 2])
    turns.add_first("a", [9, 2])
    assert turns.waiting_of("a") == 3
    assert turns.next() == ("a", 9)


def test_a_monitor_that_is_dropped_begins_nothing_more():
    turns: Turns[int] = Turns(1)
    turns.offer("a", [1, 2])
    turns.next()
    turns.drop("a")
    assert turns.has("a")
    turns.over("a", failed=False)
    assert turns.next() is None and not turns.has("a")
