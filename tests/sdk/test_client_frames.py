"""The client's reading of server-sent events, and its place in a stream."""

import json

import httpx
import pytest

from windlass.client.errors import ApiError, Unreachable
from windlass.client.frames import PATIENCE, Frame, FrameParser, Place


def parse(*chunks: bytes) -> list[Frame]:
    parser = FrameParser()
    return [frame for chunk in chunks for frame in parser.feed(chunk)]


def sse(seq: int | None, kind: str, **payload: object) -> bytes:
    data = {"kind": kind, "payload": payload} | ({} if seq is None else {"seq": seq, "at": "2026-11-21T10:00:00Z"})
    head = "" if seq is None else f"id: {seq}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def test_a_frame_has_its_id_event_and_data():
    assert parse(b"id: 3\nevent: status\ndata: {}\n\n") == [Frame("status", "{}", "3")]


def test_frames_may_be_cut_anywhere():
    whole = b'retry: 1000\n\nid: 3\r\nevent: status\r\ndata: {"a":"\xe2\x80\xa8x"}\r\n\r\n'

    pieces = [whole[i : i + 1] for i in range(len(whole))]

    assert parse(*pieces) == [Frame("status", '{"a":"\u2028x"}', "3")]


def test_comments_say_nothing():
    assert parse(b": ping\n\n: ping\n\n") == []


def test_data_over_several_lines_is_joined():
    assert parse(b"data: a\ndata:b\n\n") == [Frame("message", "a\nb", None)]


def test_a_line_without_a_colon_is_a_name_alone():
    assert parse(b"data\n\ndata: x\n\n")[-1].data == "x"


def test_an_event_that_was_seen_is_dropped():
    place = Place("http://x", 2)

    events = list(place.take(sse(2, "debug") + sse(3, "debug") + sse(3, "debug")))

    assert [event.seq for event in events] == [3]
    assert place.headers()["last-event-id"] == "3"


def test_text_on_its_way_moves_no_cursor():
    place = Place("http://x", 2)

    events = list(place.take(sse(None, "message.delta", text="Hi")))

    assert events[0].payload == {"text": "Hi"}
    assert place.cursor == 2


def test_the_terminal_event_is_the_last():
    place = Place("http://x", 0)

    events = list(
        place.take(sse(1, "status", status="running") + sse(2, "status", status="finished") + sse(3, "debug"))
    )

    assert [event.seq for event in events] == [1, 2]
    assert place.is_over


def test_a_resync_comes_back_at_once():
    place = Place("http://x", 0)

    assert list(place.take(b"event: resync\ndata: {}\n\n")) == []

    assert place.pause_s() == 0
    assert place.pause_s() > 0


def test_pauses_grow_while_nobody_answers_and_stay_within_bounds():
    place = Place("http://x", 0)
    first = place.pause_s()
    for _ in range(PATIENCE):
        place.lost("refused")

    assert first <= 0.2
    assert 2.5 <= place.pause_s() <= 5


def test_patience_ends():
    place = Place("http://x", 0)
    for _ in range(PATIENCE):
        place.lost("refused")

    with pytest.raises(Unreachable, match="refused"):
        place.lost("refused")


def test_a_gateway_that_is_being_replaced_is_waited_for():
    assert Place("http://x", 0).check(httpx.Response(503)) is False


def test_a_refusal_ends_the_stream():
    body = {"title": "Not found", "detail": "There is no run 7.", "request_id": "r1"}

    with pytest.raises(ApiError, match="There is no run 7") as raised:
        Place("http://x", 0).check(httpx.Response(404, json=body))

    assert (raised.value.status, raised.value.request_id) == (404, "r1")


def test_a_stream_that_brought_nothing_is_quiet():
    place = Place("http://x", 7)
    place.headers()

    place.check(httpx.Response(200))

    assert place.is_quiet
    list(place.take(sse(8, "debug")))
    assert not place.is_quiet


def test_a_stream_that_was_seen_to_its_end_is_over():
    place = Place("http://x", 7)

    assert place.check(httpx.Response(204)) is False

    assert place.is_over
