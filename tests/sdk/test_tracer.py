"""TracerMock records what an agent reports, so that agents can be tested without a host."""

import asyncio

import pytest

from windlass import TracerMock, response


async def test_every_report_is_recorded_with_its_kind_and_payload():
    tracer = TracerMock()

    await tracer.debug("a", "b")
    tracer.debug_sync("c")
    await tracer.action(1, 2)
    tracer.result_sync(response.Text("t"))
    await tracer.markdown("a", "b")
    tracer.html_sync("a", "b")
    await tracer.text("a", "b")

    assert [(kind.value, payload) for kind, payload in tracer.events] == [
        ("debug", {"text": "a\nb"}),
        ("debug", {"text": "c"}),
        ("action", {"int": 1}),
        ("action", {"int": 2}),
        ("result", {"Text": {"body": "t"}}),
        ("result", {"Markdown": {"body": "a\n\nb"}}),
        ("result", {"HTML": {"body": "a\nb"}}),
        ("result", {"Text": {"body": "a\nb"}}),
    ]


async def test_the_sync_twins_say_the_same():
    loud, quiet = TracerMock(), TracerMock()

    for each in ("markdown", "html", "text", "debug", "action", "result", "warning"):
        await getattr(loud, each)("x")
        getattr(quiet, f"{each}_sync")("x")

    assert loud.events == quiet.events


async def test_a_warning_may_carry_the_current_traceback():
    tracer = TracerMock()

    try:
        raise ValueError("boom")
    except ValueError:
        await tracer.warning("careful", exc_info=True)

    kind, payload = tracer.events[0]
    assert kind == "stderr"
    assert payload["text"].startswith("careful\nTraceback")
    assert payload["text"].endswith("ValueError: boom")


async def test_a_step_really_calls_its_function_and_gives_back_what_json_would():
    tracer = TracerMock(fid="f")

    results: list[object] = [
        await tracer.step("sync", divmod, 7, 2),
        await tracer.step("async", asyncio.sleep, 0, "slept"),
        await tracer.step("awaitable", lambda: asyncio.sleep(0, "slept")),
        tracer.step_sync("thread", len, "abc"),
    ]

    assert results == [[3, 1], "slept", "slept", 3]
    assert [payload["name"] for _, payload in tracer.events] == ["sync", "async", "awaitable", "thread"]
    with pytest.raises(TypeError, match="JSON cannot hold"):
        await tracer.step("object", object)


async def test_a_sleep_returns_at_once():
    tracer = TracerMock(fid="f")

    await tracer.sleep(3600)

    assert tracer.events[0][1]["name"] == "sleep"
    assert (tracer.fid, tracer.run_id, tracer.user_id, tracer.tenant_id, tracer.attempt) == ("f", "f", None, None, 1)
