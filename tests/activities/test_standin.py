"""The stand-in speaks the Messages API from scripts."""

import asyncio
import json
import sys
from typing import Any

import httpx
import pytest


def body(prompt: str, *, stream: bool = False, **more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 200, "stream": stream, "messages": [{"role": "user", "content": prompt}]} | more


def script(*steps: dict[str, Any]) -> str:
    return f"<standin>{json.dumps(steps)}</standin>"


async def ask(url: str, asked: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url) as client:
        return await client.post("/v1/messages", json=asked)


async def events(url: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await ask(url, asked)
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


async def test_without_a_script_the_answer_says_what_it_is_and_refers_to_the_prompt(standin: str):
    answer = await ask(standin, body("Why is the sky blue?"))

    text = answer.json()["content"][0]["text"]
    assert "stand-in answer" in text
    assert "Why is the sky blue?" in text
    assert answer.headers["x-windlass-standin"] == "1"


async def test_a_streamed_answer_is_the_whole_one_word_by_word(standin: str):
    seen = await events(standin, body(script({"text": "One two\nthree."}), stream=True))

    deltas = [event["delta"]["text"] for event in seen if event["type"] == "content_block_delta"]
    assert deltas == ["One ", "two\n", "three."]
    assert seen[0]["type"] == "message_start"
    assert seen[-2]["delta"]["stop_reason"] == "end_turn"
    assert seen[-2]["usage"]["output_tokens"] == 3
    assert seen[-1]["type"] == "message_stop"


async def test_the_due_step_is_the_number_of_answers_after_the_script(standin: str):
    asked = body(script({"text": "first"}, {"text": "second"}))
    asked["messages"] += [{"role": "assistant", "content": "first"}, {"role": "user", "content": "go on"}]

    answer = await ask(standin, asked)

    assert answer.json()["content"][0]["text"] == "second"


async def test_a_script_in_the_system_prompt_counts_every_answer(standin: str):
    system = [{"type": "text", "text": script({"text": "first"}, {"text": "second"})}]

    answer = await ask(standin, body("hello", system=system))

    assert answer.json()["content"][0]["text"] == "first"


async def test_a_script_that_is_over_says_so(standin: str):
    asked = body(script({"text": "first"}))
    asked["messages"] += [{"role": "assistant", "content": "first"}, {"role": "user", "content": "go on"}]

    answer = await ask(standin, asked)

    assert answer.json()["content"][0]["text"] == "The script is over."


async def test_tool_calls_come_with_their_input(standin: str):
    asked = body(script({"thinking": "Hm.", "text": "I look.", "tool": {"name": "search", "input": {"q": "x"}}}))

    answer = await ask(standin, asked)

    thinking, text, tool = answer.json()["content"]
    assert (thinking["type"], text["text"], tool["name"], tool["input"]) == (
        "thinking",
        "I look.",
        "search",
        {"q": "x"},
    )
    assert answer.json()["stop_reason"] == "tool_use"


async def test_a_streamed_tool_call_adds_up_to_its_input(standin: str):
    seen = await events(standin, body(script({"tools": [{"name": "search", "input": {"q": "x"}}]}), stream=True))

    parts = [event["delta"]["partial_json"] for event in seen if event["type"] == "content_block_delta"]
    assert json.loads("".join(parts)) == {"q": "x"}


async def test_an_answer_longer_than_max_tokens_is_cut(standin: str):
    answer = await ask(standin, body(script({"text": "one two three"}), max_tokens=2))

    assert answer.json()["content"][0]["text"] == "one two "
    assert answer.json()["stop_reason"] == "max_tokens"


async def test_usage_and_stop_reason_can_be_set(standin: str):
    step = {"text": "No.", "stop_reason": "refusal", "usage": {"cache_read_input_tokens": 7}}

    answer = await ask(standin, body(script(step)))

    assert answer.json()["stop_reason"] == "refusal"
    assert answer.json()["usage"]["cache_read_input_tokens"] == 7


async def test_an_error_step_answers_with_its_status_and_headers(standin: str):
    step = {"status": 429, "retry_after": "2", "retry_after_ms": 1500, "should_retry": True}

    answer = await ask(standin, body(script(step)))

    assert answer.status_code == 429
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert [answer.headers[name] for name in ("retry-after", "retry-after-ms", "x-should-retry")] == [
        "2",
        "1500",
        "true",
    ]


async def test_times_ends_the_trouble_of_a_repeated_request(standin: str):
    asked = body(script({"status": 529, "times": 2, "text": "Here."}) + " once")

    statuses = [(await ask(standin, asked)).status_code for _ in range(4)]

    assert statuses == [529, 529, 200, 200]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_drop_breaks_the_connection(standin: str, stream: bool):
    with pytest.raises(httpx.TransportError):
        await ask(standin, body(script({"text": "one two", "drop": 1}), stream=stream))


@pytest.mark.parametrize("text", ["one two", "one"])
async def test_a_cut_ends_the_stream_unfinished(standin: str, text: str):
    seen = await events(standin, body(script({"text": text, "cut": 1}), stream=True))

    assert [event["type"] for event in seen][-1] == "content_block_delta"


async def test_an_error_can_come_inside_the_stream(standin: str):
    seen = await events(standin, body(script({"stream_error": "overloaded_error"}), stream=True))

    assert seen[-1]["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("text", ["one two", "one"])
async def test_a_hang_says_nothing_more_until_the_client_leaves(standin: str, text: str):
    asked = body(script({"text": text, "hang": 1}), stream=True)

    async with (
        httpx.AsyncClient(base_url=standin) as client,
        client.stream("POST", "/v1/messages", json=asked) as answer,
    ):
        seen = answer.aiter_lines()
        while "one" not in await anext(seen):
            pass
        await anext(seen)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(seen), 0.2)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("<standin>{</standin>", "not JSON"),
        ("<standin>[]</standin>", "no steps"),
        ("<standin>[1]</standin>", "must be an object"),
        ('<standin>{"txet": "x"}</standin>', "unknown keys: txet"),
        ('<standin>{"delay": "soon"}</standin>', "cannot be followed"),
        ('<standin>{"tool": "x"}</standin>', "cannot be followed"),
    ],
)
async def test_a_script_that_cannot_be_read_is_a_bad_request(standin: str, prompt: str, reason: str):
    answer = await ask(standin, body(prompt))

    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"model": "m", "max_tokens": 1}, "messages: Field required"),
        (body("hi") | {"messages": ""}, "at least one"),
        ({"model": "m", "max_tokens": 0, "messages": [body("hi")]}, "max_tokens"),
    ],
)
async def test_a_request_the_provider_would_refuse_is_refused(standin: str, asked: dict[str, Any], reason: str):
    answer = await ask(standin, asked)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


@pytest.mark.parametrize(("content", "status"), [(b"{", 400), (b"[]", 400)])
async def test_a_body_that_is_no_object_is_a_bad_request(standin: str, content: bytes, status: int):
    async with httpx.AsyncClient(base_url=standin) as client:
        answer = await client.post("/v1/messages", content=content)

    assert answer.status_code == status


async def test_its_other_paths(standin: str):
    async with httpx.AsyncClient(base_url=standin) as client:
        health = await client.get("/health")
        unknown = await client.get("/v1/unknown?x=1")
        counted = await client.post("/v1/messages/count_tokens", json={"messages": []})

    assert [a.status_code for a in (health, unknown, counted)] == [200, 404, 200]


async def test_a_body_over_the_limit_is_refused_before_it_is_read(standin: str):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(standin.rpartition(":")[2]))

    writer.write(b"POST /v1/messages HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n")

    assert b" 413 " in await reader.readline()
    writer.close()


async def test_it_runs_as_a_process_and_stops_when_told():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stack.standin", "--port", "0"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    address = (await process.stdout.readline()).decode().split()[-1]

    answer = await ask(address, body(script({"text": "hi"})))
    process.terminate()

    assert answer.json()["content"][0]["text"] == "hi"
    assert await process.wait() == 0
