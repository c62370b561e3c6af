"""The own routes of a service's program, through a real gateway and a real host: all of them, and nothing else."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from stack.temporal import Server
from tests.api.people import PASSWORD, Gateway, Person, running_gateway
from tests.chromium import running_chromium
from tests.parts import free_ports, short_folder
from tests.sdk.hosts import start
from tests.workflows.engines import PROGRAMS, Meeting, running_engine, settings_of, until
from tests.workflows.owned import (
    are_over,
    are_up,
    has_some,
    have_come,
    hosts_of,
    is_taken,
    result_of,
    run_of,
    served,
    visitors,
)
from windlass.contracts.hosts import socket_path
from windlass.core.permissions import Role
from windlass.host.__main__ import GRACE_S
from windlass.host.care import CLOSE_S
from workers.parts import sockets

PATIENCE_S = 1.0  # of the gateway that is in a hurry; the other one waits as long as it does everywhere
TEN_MIB = 10 * 2**20


@pytest.fixture(scope="module")
async def gateway(database_url: str, temporal: Server) -> AsyncGenerator[Gateway]:
    """A gateway with everything behind it."""
    (port,) = free_ports(1)
    with short_folder() as folder:
        more = {"port": port, "signup": "open"}
        settings = settings_of(folder, database_url, temporal).model_copy(update=more)
        async with running_engine(settings), running_gateway(settings) as running:
            yield running


@pytest.fixture(scope="module")
async def hurried(gateway: Gateway, ada: Person) -> AsyncGenerator[httpx.AsyncClient]:
    """Ada at a second gateway, of little patience, before the same services."""
    (port,) = free_ports(1)
    more = {"port": port, "proxy_timeout_s": PATIENCE_S}
    async with running_gateway(gateway.state["settings"].model_copy(update=more)) as running:
        yield await running.browser(headers={"authorization": f"Bearer {ada.token}"})


@pytest.fixture(scope="module")
async def ada(gateway: Gateway) -> Person:
    person = await gateway.sign_up("Ada")
    await served(person, "pages")
    return person


async def test_a_route_knows_where_it_is_and_who_asks(gateway: Gateway, ada: Person):
    answer = await ada.http.get("/-/pages")

    assert answer.json() == {
        "url": f"{gateway.url}/-/pages/",
        "user": str(ada.id),
        "here": f"{gateway.url}/-/pages/echo",
    }
    assert (await ada.http.get("/-/pages/")).json() == answer.json()


async def test_what_proves_who_somebody_is_stays_here_and_nobody_says_who_they_are(ada: Person):
    lies = {"x-windlass-user": "nobody", "x-kodosumi_user": "nobody", "x-forwarded-for": "1.2.3.4", "x-api-key": "k"}
    more = {"cookie": "windlass=secret", "x-csrf-token": "t", "connection": "x-hop", "x-hop": "1", "x-own": "kept"}
    answer = await ada.http.put("/-/pages/echo?a=1&b=%20", content=b"tea", headers=lies | more)

    told, headers = answer.json(), answer.json()["headers"]
    assert (told["method"], told["query"], told["size"]) == ("PUT", {"a": "1", "b": " "}, 3)
    assert headers["x-own"] == "kept"
    assert (headers["x-windlass-user"], headers["x-kodosumi_user"]) == (str(ada.id), str(ada.id))
    assert headers["x-windlass-tenant"] == str(ada.tenant_id)
    assert not {"authorization", "cookie", "x-api-key", "x-csrf-token", "x-hop", "x-forwarded-for"} & headers.keys()
    assert ada.token not in answer.text


async def test_a_page_of_a_service_is_kept_apart_from_ours(ada: Person):
    answer = await ada.http.get("/-/pages/page")

    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts allow-forms;")
    assert "allow-same-origin" not in answer.headers["content-security-policy"]
    assert (answer.headers["cache-control"], answer.headers["x-count"]) == ("private, no-cache", "3")
    gone = {"set-cookie", "clear-site-data", "x-accel-redirect", "access-control-allow-origin"}
    assert not gone & answer.headers.keys()


async def test_a_page_of_a_service_runs_its_scripts_as_nobody(gateway: Gateway, ada: Person):
    async with running_chromium() as chromium:
        page = await chromium.new_page(base_url=gateway.url)
        wish = {"email": ada.email, "password": PASSWORD, "web": True}
        signed_in = await page.request.post("/v1/auth/login", data=wish, headers={"origin": gateway.url})
        await page.goto("/-/pages/thief")
        await page.wait_for_function("document.title")

        assert signed_in.ok
        assert await page.title() == "null|unread|no cookie"
        assert (await page.request.get("/v1/me")).ok, "nobody was signed out"


async def test_a_cookie_alone_sends_nothing_to_a_service(gateway: Gateway, ada: Person):
    browser = await gateway.browser(headers={"origin": gateway.url})
    signed_in = await browser.post("/v1/auth/login", json={"email": ada.email, "password": PASSWORD, "web": True})
    without = await browser.post("/-/pages/echo", content=b"x")
    foreign = await browser.post("/-/pages/echo", content=b"x", headers={"origin": "null"})
    ours = await browser.post("/-/pages/echo", headers={"x-csrf-token": signed_in.json()["csrf_token"]})

    assert (without.status_code, foreign.status_code, ours.status_code) == (403, 403, 200)


async def test_a_body_of_any_size_goes_in_and_out_as_it_comes(ada: Person):
    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(160):
            yield b"x" * 65_536

    async with ada.http.stream("POST", "/-/pages/mirror", content=pieces()) as answer:
        size = sum([len(piece) async for piece in answer.aiter_bytes()])

    assert (answer.status_code, size) == (200, TEN_MIB)


async def test_an_answer_that_comes_before_the_body_was_read_arrives_all_the_same(ada: Person):
    answers = [await ada.http.post("/-/pages/page", content=b"x" * 2**20) for _ in range(20)]

    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {(405, "Method Not Allowed")}


async def test_a_client_may_take_longer_to_send_than_a_service_to_answer(hurried: httpx.AsyncClient):
    async def pieces() -> AsyncGenerator[bytes]:
        yield b"x"
        await asyncio.sleep(PATIENCE_S * 1.3)
        yield b"xx"

    answers = [await hurried.post(f"/-/pages/{path}", content=pieces()) for path in ("echo", "mirror")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert (answers[0].json()["size"], answers[1].content) == (3, b"xxx")


async def test_a_websocket_goes_both_ways_and_ends_as_the_service_says(gateway: Gateway, ada: Person):
    address = gateway.url.replace("http", "ws") + "/-/pages/talk"
    bearer = {"authorization": f"Bearer {ada.token}", "cookie": "windlass=secret"}

    async with connect(address, additional_headers=bearer, subprotocols=["words"]) as line:  # type: ignore[list-item] # any word
        first = await line.recv()
        await line.send("tea")
        await line.send(b"\x00" * 500_000)
        told = [await line.recv(), await line.recv()]
        await line.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            await line.recv()

    assert line.subprotocol == "words"
    assert first == f'{{"user":"{ada.id}","cookie":null}}'
    assert told == ["tea", b"\x00" * 500_000]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4321


@pytest.mark.parametrize(("path", "status"), [("pages/closed", 403), ("pages/nothing", 403), ("other/talk", 404)])
async def test_a_websocket_that_is_refused_never_opens(gateway: Gateway, ada: Person, path: str, status: int):
    address, bearer = gateway.url.replace("http", "ws") + f"/-/{path}", {"authorization": f"Bearer {ada.token}"}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, additional_headers=bearer):
            pass

    assert refused.value.response.status_code == status


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("garbage/status", 502, "status"),
        ("garbage/header", 502, "header"),
        ("raises", 500, "RuntimeError"),
        ("nothing", 404, "Not Found"),
    ],
)
async def test_a_service_that_answers_badly_is_a_problem_with_a_name(ada: Person, path: str, status: int, word: str):
    answer = await ada.http.get(f"/-/pages/{path}")

    assert (answer.status_code, word in answer.text) == (status, True)
    assert "Traceback" not in answer.text


async def test_a_service_that_says_nothing_is_given_up(hurried: httpx.AsyncClient):
    answer = await hurried.get("/-/pages/silence")

    assert (answer.status_code, "did not answer within" in answer.text) == (504, True)


async def test_an_answer_that_drips_or_has_no_end_is_cut_and_nobody_takes_it_for_whole(
    ada: Person, hurried: httpx.AsyncClient
):
    for http, path in ((hurried, "ticks?pause=0.05&size=1"), (ada.http, "garbage/")):
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"/-/pages/{path}")


@pytest.fixture(scope="module")
async def mortal(ada: Person) -> None:
    """A service whose hosts are killed."""
    await served(ada, "mortal")


@pytest.mark.usefixtures("mortal")
async def test_a_host_that_dies_in_an_answer_ends_it_and_the_next_request_is_answered(ada: Person):
    pid = (await ada.http.get("/v1/services/mortal")).json()["pid"]

    async with ada.http.stream("GET", "/-/mortal/ticks?size=4096") as answer:
        pieces = answer.aiter_bytes()
        await anext(pieces)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.RemoteProtocolError):
            await collected(pieces)
    died = await ada.http.get("/-/mortal/dies")

    async def is_back() -> bool:
        return (await ada.http.get("/-/mortal/")).status_code == 200

    await until(is_back)
    assert died.status_code in (502, 503)


@pytest.mark.usefixtures("mortal")
async def test_what_no_host_had_begun_when_it_went_is_done_by_the_one_that_has_its_place(gateway: Gateway, ada: Person):
    await until(lambda: are_up(ada, "mortal", set()))
    service = (await ada.http.get("/v1/services/mortal")).json()
    place = socket_path(sockets(gateway.state["settings"]), str(ada.tenant_id), service["id"])
    os.kill(service["pid"], signal.SIGSTOP)  # it is as slow as it can be: what comes to it waits
    known = visitors(service["pid"])

    changing = asyncio.create_task(ada.http.post("/-/mortal/mirror", content=b"tea"))
    asking = asyncio.create_task(ada.http.post("/-/mortal/form", json={"name": "Nobody"}))
    talking = asyncio.create_task(first_word(gateway, ada, "mortal/talk"))
    await until(lambda: have_come(service["pid"], known + 3))
    successor = await start(place, "pages:app", cwd=PROGRAMS)
    await until(lambda: is_taken(place, successor.pid))
    os.kill(service["pid"], signal.SIGKILL)

    assert ((await changing).status_code, (await changing).content) == (200, b"tea")
    assert (await asking).json()["errors"]["name"] == ["is nobody"]
    assert str(ada.id) in await talking
    successor.kill()
    await successor.wait()


async def first_word(gateway: Gateway, person: Person, path: str) -> str:
    """What a WebSocket of a service says first."""
    address, bearer = gateway.url.replace("http", "ws") + f"/-/{path}", {"authorization": f"Bearer {person.token}"}
    async with connect(address, additional_headers=bearer) as line:
        return str(await line.recv())


async def collected(pieces: AsyncIterator[bytes]) -> list[bytes]:
    """All of them."""
    return [each async for each in pieces]


@pytest.mark.usefixtures("twins")
async def test_a_killed_replica_costs_no_question_and_its_run_goes_on_while_the_other_notices_nothing(
    ada: Person, tmp_path: Path
):
    meetings = [Meeting(tmp_path / name) for name in ("one", "two")]
    runs = [await run_of(ada, "twins/steps", meeting) for meeting in meetings]
    first, second = await hosts_of(ada, "twins")
    here = Meeting(tmp_path)

    held = [asyncio.create_task(ada.http.get("/-/twins/pid", params=here.inputs)) for _ in range(2)]
    await asyncio.gather(*(here.appears(str(each["pid"])) for each in (first, second)))
    os.kill(first["pid"], signal.SIGKILL)
    here.leave("free")
    said = await asyncio.gather(*held)
    later = [await ada.http.get("/-/twins/pid") for _ in range(2)]  # by the other one, or whoever is there again
    for meeting in meetings:
        meeting.leave("go")
    results = [await result_of(ada, run) for run in runs]
    await until(lambda: are_up(ada, "twins", {first["pid"]}))

    assert {each.text for each in said} == {str(second["pid"])}
    assert {each.status_code for each in later} == {200}
    assert str(first["pid"]) not in {each.text for each in later}
    assert results == ["0 10 20", "0 10 20"]
    assert sorted(meeting.count("step-1") for meeting in meetings) == [1, 2], "one on each, and one of them again"
    assert {meeting.count("step-0") for meeting in meetings} == {1}
    assert (await hosts_of(ada, "twins"))[1] == second


@pytest.mark.usefixtures("twins")
async def test_a_refresh_and_fewer_replicas_cost_no_request_to_it_and_none_to_another(ada: Person, tmp_path: Path):
    meetings = [Meeting(tmp_path / name) for name in ("one", "two")]
    before = {each["pid"] for each in await hosts_of(ada, "twins")}
    over, statuses = asyncio.Event(), dict[str, list[int]](twins=[], pages=[])

    async def ask(name: str, path: str) -> None:
        while not over.is_set():  # nothing of this is asked twice
            statuses[name].append((await ada.http.post(f"/-/{name}/{path}")).status_code)
            await asyncio.sleep(0.05)  # 20 a second, or as many as the machine can

    async with asyncio.TaskGroup() as asking:
        for name, path in (("twins", "pid"), ("pages", "echo")):
            asking.create_task(ask(name, path))
        await ada.http.post("/v1/services/twins/refresh")
        await until(lambda: are_up(ada, "twins", before))
        gone = [*before, (await hosts_of(ada, "twins"))[1]["pid"]]
        runs = [await run_of(ada, "twins/steps", meeting) for meeting in meetings]  # one in each, which waits for it
        await ada.http.patch("/v1/services/twins", json={"replicas": 1})
        asked = len(statuses["twins"])
        await until(lambda: has_some(statuses["twins"], asked + 10))
        for meeting in meetings:
            meeting.leave("go")
        results = [await result_of(ada, run) for run in runs]
        await until(lambda: are_over(gone))
        over.set()

    assert results == ["0 10 20", "0 10 20"]
    assert {name: set(said) for name, said in statuses.items()} == {"twins": {200}, "pages": {200}}
    assert min(map(len, statuses.values())) > 5  # it was asked while it was replaced
    assert len(await hosts_of(ada, "twins")) == 1


async def test_an_answer_that_takes_longer_than_runs_may_outlasts_a_refresh_and_not_its_service(ada: Person):
    await served(ada, "patient")
    pid = (await ada.http.get("/v1/services/patient")).json()["pid"]
    clock = asyncio.get_running_loop().time

    async with ada.http.stream("GET", "/-/patient/ticks?pause=0.2&size=4096") as answer:
        pieces = answer.aiter_bytes()
        await anext(pieces)
        await ada.http.post("/v1/services/patient/refresh")
        await until(lambda: are_up(ada, "patient", {pid}))
        enough = clock() + GRACE_S + CLOSE_S + 1
        async for _ in pieces:
            if clock() > enough:
                break
        else:
            pytest.fail("the answer has ended")
        await ada.http.delete("/v1/services/patient")

        await until(lambda: are_over([pid]))


@pytest.fixture(scope="module")
async def twins(ada: Person) -> None:
    """A service of two."""
    await served(ada, "twins", "agents:app", 2)


async def test_nobody_reaches_what_is_not_theirs(gateway: Gateway, ada: Person):
    bea, viewer = await gateway.sign_up("Bea"), await gateway.hire(ada, Role.VIEWER)
    theirs, nothing = await bea.http.get("/-/pages/"), await bea.http.get("/-/absent/")

    assert (theirs.status_code, theirs.json()["detail"]) == (404, "There is no service pages.")
    assert nothing.status_code == 404
    assert (await (await gateway.browser()).get("/-/pages/")).status_code == 401
    assert (await viewer.http.get("/-/pages/")).status_code == 200
    assert (await viewer.http.post("/-/pages/echo")).status_code == 403


async def test_a_service_that_is_away_says_so(ada: Person):
    wish = {"name": "broken", "project": "/nowhere", "import_path": "pages:app"}
    await ada.http.post("/v1/services", json=wish)
    down = await ada.http.get("/-/broken/")
    await ada.http.patch("/v1/services/broken", json={"enabled": False})
    off = await ada.http.get("/-/broken/")
    assert (down.status_code, "is not up" in down.json()["title"]) == (503, True)
    assert (off.status_code, down.headers["retry-after"]) == (404, "1")
