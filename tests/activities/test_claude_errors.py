"""What goes wrong at the provider, in our own words: the type, whether to ask again, and when."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from activities.adapters.claude import ClaudeMessages, retry_after_s
from activities.models import ModelError, ModelRequest

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def fail(claude: ClaudeMessages, step: dict[str, Any]) -> ModelError:
    request = ModelRequest(f"<standin>{json.dumps(step)}</standin>")
    with pytest.raises(ModelError) as raised:
        [piece async for piece in claude.stream(request)]
    return raised.value


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequest"),
        (401, "Auth"),
        (403, "Auth"),
        (404, "ModelNotFound"),
        (413, "ContextWindow"),
        (422, "BadRequest"),
    ],
)
async def test_what_asking_again_cannot_help_is_final(claude: ClaudeMessages, status: int, name: str):
    error = await fail(claude, {"status": status, "retry_after": 3})

    assert (error.type, error.retryable, error.retry_after_s) == (name, False, None)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (408, "ProviderFailed"),
        (409, "ProviderFailed"),
        (429, "RateLimited"),
        (500, "ProviderFailed"),
        (503, "ProviderFailed"),
        (529, "Overloaded"),
    ],
)
async def test_what_may_pass_can_be_asked_again(claude: ClaudeMessages, status: int, name: str):
    error = await fail(claude, {"status": status})

    assert (error.type, error.retryable, error.retry_after_s) == (name, True, None)


async def test_a_prompt_that_is_too_long_is_told_apart(claude: ClaudeMessages):
    error = await fail(claude, {"status": 400, "message": "prompt is too long: 2 tokens > 1 maximum"})

    assert (error.type, error.retryable) == ("ContextWindow", False)


@pytest.mark.parametrize(("status", "should_retry"), [(400, True), (500, False)])
async def test_the_provider_has_the_last_word_on_asking_again(claude: ClaudeMessages, status: int, should_retry: bool):
    error = await fail(claude, {"status": status, "should_retry": should_retry})

    assert error.retryable is should_retry


async def test_the_wait_the_provider_asks_for_is_kept(claude: ClaudeMessages):
    error = await fail(claude, {"status": 429, "retry_after": 30, "retry_after_ms": 1500})

    assert error.retry_after_s == 1.5
    assert "status 429" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "86400"}, 900),
        ({"retry-after": "inf"}, 900),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "tomorrow"}, None),
    ],
)
def test_a_wait_may_be_written_in_three_ways_and_stays_within_15_minutes(
    headers: dict[str, str], seconds: float | None
):
    assert retry_after_s(headers, NOON) == seconds


@pytest.mark.parametrize(
    ("kind", "name", "retryable"),
    [
        ("overloaded_error", "Overloaded", True),
        ("api_error", "ProviderFailed", True),
        ("rate_limit_error", "RateLimited", True),
        ("invalid_request_error", "BadRequest", False),
        ("authentication_error", "Auth", False),
    ],
)
async def test_an_error_inside_the_stream_counts_by_its_type(
    claude: ClaudeMessages, kind: str, name: str, retryable: bool
):
    error = await fail(claude, {"stream_error": kind})

    assert (error.type, error.retryable) == (name, retryable)


@pytest.mark.parametrize("trouble", ["drop", "cut"])
async def test_an_answer_without_its_end_can_be_asked_for_again(claude: ClaudeMessages, trouble: str):
    error = await fail(claude, {"text": "one two", trouble: 1})

    assert (error.type, error.retryable) == ("CutStream", True)


async def test_a_provider_that_cannot_be_reached_can_be_asked_again(claude_at: Callable[[str], ClaudeMessages]):
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()

    error = await fail(claude_at(f"http://127.0.0.1:{port}"), {})

    assert (error.type, error.retryable) == ("Unreachable", True)
