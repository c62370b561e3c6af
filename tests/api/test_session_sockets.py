"""Sessions over WebSockets: everybody is shown the same, from any cursor, and nobody gets in who may not."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from api.duplex import ENDED, OVER, PROTOCOL, TOKEN_MARK
from tests.api.people import Gateway, Person
from tests.api.turns import answered
from windlass.core.callers import Caller
from windlass.core.errors import TooMany


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def opened(person: Person) -> str:
    answer = await person.http.post("/v1/sessions", json={})
    return answer.json()["id"]


@asynccontextmanager
async def listening(
    gateway: Gateway, session: str, headers: Mapping[str, str], after: object = 0, *, protocols: Sequence[str] = ()
) -> AsyncGenerator[ClientConnection]:
    """A WebSocket on a session."""
    address = f"{gateway.url.replace('http', 'ws')}/v1/sessions/{session}/ws?after={after}"
    offered = [Subprotocol(each) for each in protocols] or None
    async with connect(address, additional_headers=dict(headers), subprotocols=offered) as line:
        yield line


def bearer(person: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {person.token}"}


async def to_the_end(line: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """Everything that is told, and the code at the end."""
    told: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(60):
            while True:
                told.append(orjson.loads(await line.recv()))
    except ConnectionClosed:
        return told, line.close_code or 0


async def test_all_who_listen_are_shown_the_log_of_the_stream_from_their_cursor_on(gateway: Gateway, ada: Person):
    session = await opened(ada)
    async with (
        listening(gateway, session, bearer(ada)) as first,
        listening(gateway, session, bearer(ada), 1) as second,
    ):
        await first.send(orjson.dumps({"type": "message", "content": "Hello."}).decode())
        assert orjson.loads(await second.recv())["payload"]["text"] == "Hello."
        await answered(gateway, ada, session, "Hello to you.")
        log = (await ada.http.get(f"/v1/sessions/{session}/events")).json()["items"]
        await ada.http.delete(f"/v1/sessions/{session}")
        (whole, code), (rest, _) = await to_the_end(first), await to_the_end(second)

    events = [each for each in whole if "kind" in each]
    assert events[: len(log)] == log
    assert rest == events[2:]
    assert [each["type"] for each in whole if "type" in each] == ["accepted"]
    assert code == ENDED


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ('{"type": "message", "content": " "}', "invalid"),
        ('{"type": "shout"}', "invalid"),
        ("{", "invalid"),
        ('{"type": "message", "content": "\\u0000"}', "invalid"),
        ("[" * 100, "bad-request"),
        ('{"type": "message", "content": "x", "expected_turn": 7}', "message-refused"),
    ],
)
async def test_what_cannot_be_said_is_a_problem_and_ends_nothing(
    gateway: Gateway, ada: Person, word: str, problem: str
):
    session = await opened(ada)
    async with listening(gateway, session, bearer(ada), 1) as line:
        await line.send(word)
        refused = orjson.loads(await line.recv())
        await line.send('{"type": "interrupt"}')
        accepted = orjson.loads(await line.recv())

    assert refused["problem"]["type"] == f"urn:windlass:problem:{problem}"
    assert accepted == {"type": "accepted", "interrupts": 0}


async def test_whatever_is_sent_takes_a_place_of_the_limit_before_it_is_read(
    gateway: Gateway, ada: Person, monkeypatch: pytest.MonkeyPatch
):
    async def refuse(_: Caller) -> None:
        raise TooMany("At most 0 requests a minute.", 1)

    session = await opened(ada)
    async with listening(gateway, session, bearer(ada), 1) as line:
        monkeypatch.setattr(gateway.state["allowances"], "take", refuse)
        await line.send("{")
        refused = orjson.loads(await line.recv())

    assert refused["problem"]["status"] == 429


async def test_who_is_signed_out_is_cut_off(gateway: Gateway, ada: Person):
    session, guest = await opened(ada), await gateway.sign_in(ada.email, ada.password)
    async with listening(gateway, session, bearer(guest)) as line:
        await guest.http.post("/v1/auth/logout")
        assert (await to_the_end(line))[1] == OVER


async def refused(
    gateway: Gateway, session: str, headers: Mapping[str, str], after: object = 0, *, protocols: Sequence[str] = ()
) -> int:
    """The answer to somebody who is not let in: no WebSocket ever opens."""
    with pytest.raises(InvalidStatus) as answer:
        async with listening(gateway, session, headers, after, protocols=protocols):
            pass
    return answer.value.response.status_code


async def test_who_may_not_listen_is_told_before_anything_opens(
    gateway: Gateway, ada: Person, caplog: pytest.LogCaptureFixture
):
    session, eve = await opened(ada), await gateway.sign_up("Eve")

    assert await refused(gateway, session, {}) == 401
    assert await refused(gateway, session, bearer(eve)) == 404
    assert await refused(gateway, session, bearer(ada), "x") == 400
    assert await refused(gateway, session, bearer(ada), 99) == 400
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []  # nothing broke


async def test_a_page_shows_where_it_comes_from_and_the_token_of_its_session(gateway: Gateway, ada: Person):
    """A page of another site sends the cookie too, and can have neither."""
    session, browser = await opened(ada), await gateway.browser()
    login = {"email": ada.email, "password": ada.password, "web": True}
    signed_in = await browser.post("/v1/auth/login", json=login, headers={"origin": gateway.url})
    ((name, secret),) = signed_in.cookies.items()
    page = {"cookie": f"{name}={secret}", "origin": gateway.url}
    shown = (PROTOCOL, TOKEN_MARK + signed_in.json()["csrf_token"])

    async with listening(gateway, session, page, protocols=shown) as line:
        told = orjson.loads(await line.recv())

    assert (line.subprotocol, told["kind"]) == (PROTOCOL, "status")
    assert await refused(gateway, session, page, protocols=(PROTOCOL, TOKEN_MARK + "0")) == 403
    assert await refused(gateway, session, page | {"origin": "https://elsewhere.example"}, protocols=shown) == 403
