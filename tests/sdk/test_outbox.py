"""The outbox keeps order, loses nothing that is not stored, and lets in no more than fits."""

import asyncio
import json
import threading

from windlass.contracts.events import EventKind
from windlass.host.branches import Place
from windlass.host.outbox import MAX_EVENTS, Outbox


def put(outbox: Outbox, place: Place, count: int = 1) -> None:
    for _ in range(count):
        outbox.put(place, EventKind.ACTION, b"{}")


def taken(outbox: Outbox) -> list[int]:
    return [json.loads(line)["pseq"] for line in outbox.take()]


def nobody() -> None:
    """A driver that needs no waking."""


def test_what_is_not_stored_is_sent_again_to_the_next_driver():
    outbox, place = Outbox(), Place("p")
    put(outbox, place, 3)
    outbox.link(nobody)
    first = taken(outbox)
    outbox.ack({"p": 2})

    outbox.link(nobody)
    put(outbox, place)

    assert first == [1, 2, 3]
    assert taken(outbox) == [3, 4]
    assert taken(outbox) == []


def test_an_acknowledgement_out_of_order_forgets_only_what_it_names():
    outbox = Outbox()
    put(outbox, Place("a"), 2)
    put(outbox, Place("b"), 2)
    outbox.take()

    outbox.ack({"b": 1, "stranger": 9})

    assert len(outbox) == 3


def test_the_driver_is_woken_once_until_it_takes():
    outbox, place, woken = Outbox(), Place("p"), list[int]()
    outbox.link(lambda: woken.append(1))

    put(outbox, place, 3)
    outbox.take()
    put(outbox, place, 3)

    assert len(woken) == 2


def test_a_driver_that_left_is_called_only_when_there_is_something_to_report():
    outbox, called = Outbox(), list[int]()
    outbox.open_with(b"meta\n")
    outbox.leave(lambda: called.append(1))
    before = len(called)

    put(outbox, Place("p"))

    assert (before, len(called)) == (0, 1)


def test_the_end_is_said_after_everything_and_once():
    outbox = Outbox()
    put(outbox, Place("p"))

    is_first, is_second = outbox.close_with(b"end\n"), outbox.close_with(b"other\n")

    assert (is_first, is_second) == (True, False)
    assert outbox.take()[-1] == b"end\n"


async def test_those_who_wait_for_room_are_let_in_as_room_comes():
    outbox, place = Outbox(), Place("p")
    put(outbox, place, MAX_EVENTS)
    outbox.take()
    waiting = [asyncio.create_task(outbox.room()) for _ in range(5)]
    await asyncio.sleep(0)

    outbox.ack({"p": 3})
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0.01)
    let_in = sum(task.done() for task in waiting)
    outbox.release()
    await asyncio.gather(*waiting)

    assert let_in == 3


def test_a_thread_waits_for_room_no_longer_than_it_says():
    outbox, place = Outbox(), Place("p")
    put(outbox, place, MAX_EVENTS)
    outbox.take()

    assert not outbox.room_sync(timeout=0.01)
    threading.Timer(0.01, outbox.ack, [{"p": MAX_EVENTS}]).start()
    assert outbox.room_sync(timeout=60)


def test_a_finalizer_that_reports_in_the_middle_of_a_report_neither_hangs_nor_breaks_the_order():
    outbox = Outbox()

    class Collected(Place):
        """A place whose use triggers a collection, and with it a report."""

        def next(self) -> int:
            number = super().next()
            if number == 1:
                outbox.put(self, EventKind.STDERR, b"{}")
            return number

    put(outbox, Collected("p"), 2)

    assert taken(outbox) == [1, 2, 3]
