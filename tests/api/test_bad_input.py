"""What cannot be used is a problem with a reason, never a traceback (controls A3, A4, G3, M1)."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

import api.server
from api.middleware.bodies import check_json
from tests.api.people import Gateway, Organisation
from windlass.core.errors import WindlassError

MIB = 1024 * 1024
FIELDS = {"type", "title", "status", "detail", "instance", "request_id", "errors"}


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem an answer states, checked for its form."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body.keys() == FIELDS
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return body


async def test_an_unknown_address_is_a_problem(acme: Organisation):
    body = problem(await acme.viewer.http.get("/v1/nowhere"))

    assert (body["title"], body["status"], body["instance"]) == ("Not found", 404, "/v1/nowhere")
    assert body["type"] == "urn:windlass:problem:not-found"


async def test_what_is_no_id_names_nothing(acme: Organisation):
    body = problem(await acme.viewer.http.get("/v1/runs/nonsense"))

    assert (body["status"], body["detail"]) == (404, "There is no run nonsense.")


async def test_a_wrong_method_says_which_are_right(acme: Organisation):
    answer = await acme.viewer.http.put("/v1/me")

    assert problem(answer)["status"] == 405
    assert answer.headers["allow"]


async def test_every_wrong_field_is_named(acme: Organisation):
    wish = {"name": "", "email": "nobody", "password": "abcdefgh", "role": "king", "tenant_id": "x"}

    body = problem(await acme.admin.http.post("/v1/members", json=wish))

    assert body["status"] == 422
    assert {error["field"] for error in body["errors"]} == {"name", "email", "role", "tenant_id"}


@pytest.mark.parametrize("field", ["tenant_id", "role", "is_operator", "email", "created_by", "cost_usd"])
async def test_nothing_is_assigned_that_is_not_asked_for(acme: Organisation, field: str):
    """A3."""
    before = (await acme.viewer.http.get("/v1/me")).json()["person"]

    answer = await acme.viewer.http.patch("/v1/me", json={"name": "Eve", field: "owner"})

    assert problem(answer)["status"] == 422
    assert (await acme.viewer.http.get("/v1/me")).json()["person"] == before


@pytest.mark.parametrize("path", ["/v1/audit", "/v1/members", "/v1/api-keys", "/v1/runs"])
@pytest.mark.parametrize("limit", ["1000000000", "201", "0", "-1", "x"])
async def test_a_list_has_limits(acme: Organisation, path: str, limit: str):
    """A4."""
    assert problem(await acme.admin.http.get(path, params={"limit": limit}))["status"] == 422


@pytest.mark.parametrize("cursor", ["x", "é", "A" * 40, "x" * 1001])
async def test_a_cursor_that_was_not_made_here_is_refused(acme: Organisation, cursor: str):
    """A4."""
    answer = await acme.admin.http.get("/v1/audit", params={"after": cursor})

    assert problem(answer)["status"] == (422 if len(cursor) > 1000 else 400)


async def test_a_cursor_fits_its_tenant_list_and_filters_only(acme: Organisation, umbrella: Organisation):
    """A4."""
    first = (await acme.admin.http.get("/v1/audit", params={"limit": 1})).json()
    cursor = {"limit": 1, "after": first["next"]}

    good = await acme.admin.http.get("/v1/audit", params=cursor)
    others = [
        await umbrella.admin.http.get("/v1/audit", params=cursor),
        await acme.admin.http.get("/v1/members", params=cursor),
        await acme.admin.http.get("/v1/audit", params=cursor | {"action": "member.add"}),
    ]

    assert good.json()["items"][0]["id"] < first["items"][0]["id"]
    assert [problem(answer)["status"] for answer in others] == [400, 400, 400]


async def test_walking_a_list_sees_everything_once(acme: Organisation):
    http, seen, query = acme.admin.http, list[str](), {"limit": "2"}
    while True:
        page = (await http.get("/v1/members", params=query)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    everybody = (await http.get("/v1/members", params={"limit": 200})).json()["items"]
    assert seen == [item["id"] for item in everybody]


async def test_a_body_over_one_mebibyte_is_refused_before_it_is_sent(acme: Organisation):
    """G3."""
    answer = await acme.operator.http.post("/v1/runs", content=b" " * (MIB + 1))

    assert problem(answer)["status"] == 413


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [
        ("POST", "/compat/kodosumi/login", 20),
        ("POST", "/compat/kodosumi/admin/expose/globals", 20),
        ("GET", "/ui/schedules/preview", 100),
        ("POST", "/runs/bulk", 2000),
    ],
)
async def test_a_form_with_more_fields_than_there_can_be_says_so(acme: Organisation, method: str, path: str, most: int):
    fields = {f"f{number}": "1" for number in range(most + 1)}
    http, is_address = acme.builder.http, method == "GET"

    answer = await http.request(
        method, path, params=fields if is_address else None, data=None if is_address else fields
    )

    assert answer.status_code == 422
    assert f"at most {most:,} fields" in answer.text


async def test_a_chunked_upload_is_cut_at_the_limit(acme: Organisation):
    """G3: a gigabyte is not read to find out; who sends that much finds the connection closed."""
    sent = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal sent
        for _ in range(1024):
            sent += MIB
            yield b" " * MIB

    before = psutil.Process().memory_info().rss
    with suppress(httpx.TransportError):
        answer = await acme.operator.http.post("/v1/runs", content=endless())
        assert problem(answer)["status"] == 413
    assert sent < 64 * MIB
    assert psutil.Process().memory_info().rss - before < 50 * MIB


async def test_a_chunked_body_slightly_over_the_limit_hears_why(acme: Organisation):
    """G3."""

    async def body() -> AsyncGenerator[bytes]:
        for _ in range(3):
            yield b" " * MIB

    assert problem(await acme.operator.http.post("/v1/runs", content=body()))["status"] == 413


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"inputs": ' + "[" * 65 + "]" * 65 + "}"])
async def test_json_that_is_too_deep_is_refused(acme: Organisation, text: str):
    """G3."""
    headers = {"content-type": "application/json"}
    answer = await acme.operator.http.post("/v1/runs", content=text, headers=headers)

    assert problem(answer)["status"] == 400


@pytest.mark.parametrize(
    "text", ['{"name": "a\\u0000b"}', '{"name": "\\ud800"}', "{", "[]", "", '"x"', "null", '{"name": 1e999}', "\xff"]
)
async def test_json_that_cannot_be_stored_is_refused(acme: Organisation, text: str):
    """M1."""
    headers = {"content-type": "application/json"}
    answer = await acme.viewer.http.patch("/v1/me", content=text.encode("latin-1"), headers=headers)

    assert 400 <= problem(answer)["status"] < 500


def test_depth_is_counted_outside_of_texts():
    """G3."""
    check_json("application/json", json.dumps({"text": "[" * 1000, "list": [{}] * 500}).encode())
    check_json("application/json", rb'{"text": "\\u0000 \ud83d\ude00 \" [[[["}')
    with pytest.raises(WindlassError):
        check_json("application/json", b'{"a":' * 65 + b"1" + b"}" * 65)


def test_a_text_without_an_end_is_read_once():
    """G3: read anew from each of its quotation marks, it would take an hour."""
    with pytest.raises(WindlassError):
        check_json("application/json", b"[" * 65 + b'"' + rb"\"" * 500_000)


ZEROS = "0" * 300


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1E+400", f"1{ZEROS}{ZEROS}.0", f"1{ZEROS}e99"])
async def test_a_number_that_json_does_not_have_is_refused_rather_than_forgotten(acme: Organisation, number: str):
    wrong = f'{{"title": "in words", "metadata": {{"a": {number}, "b": 1e30}}}}'
    right = '{"title": "NaN and 1e999 in words", "metadata": {"a": 1e99, "b": 1e30}}'
    headers = {"content-type": "application/json"}

    refused = await acme.owner.http.post("/v1/sessions", content=wrong, headers=headers)
    taken = await acme.owner.http.post("/v1/sessions", content=right, headers=headers)

    assert problem(refused)["status"] == 422
    assert (taken.status_code, taken.json()["metadata"]) == (201, {"a": 1e99, "b": 1e30})
    await acme.owner.http.delete(f"/v1/sessions/{taken.json()['id']}")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be", "latin-1"])
async def test_json_of_another_encoding_than_utf_8_is_refused(acme: Organisation, encoding: str):
    headers = {"content-type": "application/json"}
    body = '{"title": "\u00e9", "metadata": {"a": 1}}'

    refused = await acme.owner.http.post("/v1/sessions", content=body.encode(encoding), headers=headers)
    taken = await acme.owner.http.post("/v1/sessions", content=body.encode(), headers=headers)

    assert problem(refused)["status"] == 422
    assert (taken.status_code, taken.json()["title"]) == (201, "\u00e9")
    await acme.owner.http.delete(f"/v1/sessions/{taken.json()['id']}")


def test_a_surrogate_that_is_written_out_is_no_text():
    with pytest.raises(WindlassError):
        check_json("application/json", b'{"a": "\xed\xa0\x80"}')


def test_digits_are_looked_at_once():
    check_json("application/json", b"[" + b",".join([b"1" * 199] * 5000) + b"]")
    check_json("application/json", b"[1" + b"0" * 300 + b"]")


@pytest.mark.parametrize("path", ["/v1/services/a%00b", "/v1/api-keys/%00", "/v1/audit?action=a%00b", "/v1/agents/%ff"])
async def test_an_address_with_a_nul_is_refused(acme: Organisation, path: str):
    """M1."""
    assert 400 <= problem(await acme.admin.http.get(path))["status"] < 500


async def test_a_number_that_no_column_holds_is_refused(acme: Organisation):
    """M1."""
    answer = await acme.operator.http.post("/v1/runs", json={"agent": "claude", "timeout_s": 10**30})

    assert problem(answer)["status"] == 422


@pytest.mark.parametrize("sent", ["abc-123", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
async def test_a_request_keeps_the_id_it_came_with(acme: Organisation, sent: str):
    answer = await acme.viewer.http.get("/v1/nowhere", headers={"x-request-id": sent})

    assert problem(answer)["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "a;b", "é"])
async def test_an_odd_request_id_is_replaced(acme: Organisation, sent: str):
    answer = await acme.viewer.http.get("/v1/nowhere", headers={b"x-request-id": sent.encode()})

    assert problem(answer)["request_id"] != sent


async def test_an_unforeseen_error_says_nothing_about_the_code(
    gateway: Gateway, acme: Organisation, monkeypatch: pytest.MonkeyPatch
):
    """M1: the request id leads to the reason, the answer does not."""

    async def broken(*_args: object) -> None:
        raise RuntimeError("secret path /srv/x")

    monkeypatch.setattr(gateway.state["tenants"], "mine", broken)
    answer = await acme.viewer.http.get("/v1/tenants")

    assert problem(answer)["status"] == 500
    assert "secret" not in answer.text


async def test_a_database_that_is_away_is_said(gateway: Gateway, acme: Organisation, monkeypatch: pytest.MonkeyPatch):
    async def away(*_args: object) -> None:
        raise ConnectionRefusedError("no")

    monkeypatch.setattr(gateway.state["tenants"], "mine", away)
    answer = await acme.viewer.http.get("/v1/tenants")

    assert problem(answer)["status"] == 503
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("method", "failure", "status_and_calls"),
    [
        ("GET", asyncpg.ConnectionDoesNotExistError, (200, 2)),
        ("GET", asyncpg.InternalClientError, (200, 2)),  # a killed server leaves a lent connection in any state
        ("GET", TimeoutError, (503, 1)),
        ("POST", asyncpg.ConnectionDoesNotExistError, (503, 1)),
    ],
)
async def test_only_a_read_that_the_database_left_in_the_middle_is_asked_again(
    gateway: Gateway, acme: Organisation, monkeypatch: pytest.MonkeyPatch,
    method: str, failure: type[Exception], status_and_calls: tuple[int, int],
):  # fmt: skip
    name, calls = {"GET": "mine", "POST": "create"}[method], list[object]()
    whole = getattr(gateway.state["tenants"], name)

    async def left_once(*args: object) -> object:
        calls.append(args)
        if len(calls) == 1:
            raise failure("the server went away")
        return await whole(*args)

    monkeypatch.setattr(gateway.state["tenants"], name, left_once)
    body = {"name": "Another"} if method == "POST" else None
    answer = await acme.owner.http.request(method, "/v1/tenants", json=body)

    assert (answer.status_code, len(calls)) == status_and_calls


async def test_who_sends_headers_too_slowly_is_cut(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    """G3: slowloris; the same time-out, made short."""
    monkeypatch.setattr(api.server, "HEADERS_PATIENCE_S", 0.2)
    port = int(gateway.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n")

    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()


async def test_who_keeps_a_connection_is_not_cut_between_requests(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api.server, "HEADERS_PATIENCE_S", 0.2)
    port = int(gateway.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await reader.readuntil(b'{"status":"pass"}')
        await asyncio.sleep(0.3)
    writer.close()
