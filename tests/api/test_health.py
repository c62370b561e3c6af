"""Is it alive, is it ready, what are its figures; and the API's own pages."""

import asyncio

import pytest

from api.pages.system import sentence
from tests.api.people import Gateway, running_gateway, settings_for
from windlass.core.health import Finding, Grade, Part, examine


def part(name: str, grade: Grade) -> Part:
    async def probe() -> Finding:
        return Finding(grade, "so it is", "1 ms")

    return Part(name, probe)


async def test_a_living_process_says_so_without_asking_anybody(gateway: Gateway):
    answer = await (await gateway.browser()).get("/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "pass"})


async def test_readiness_names_every_part_and_fails_with_the_worst(gateway: Gateway):
    """Temporal is not there in this test."""
    answer = await (await gateway.browser()).get("/ready")

    parts = {each["name"]: each["status"] for each in answer.json()["parts"]}
    assert parts["database"] == "pass"
    assert answer.json()["status"] == max(parts.values(), key=list(Grade).index)
    assert answer.status_code == (503 if answer.json()["status"] == "fail" else 200)


@pytest.mark.parametrize(
    ("grades", "worst"),
    [
        ([], Grade.PASS),
        ([Grade.PASS, Grade.PASS], Grade.PASS),
        ([Grade.PASS, Grade.WARN], Grade.WARN),
        ([Grade.FAIL, Grade.WARN, Grade.PASS], Grade.FAIL),
    ],
)
async def test_the_worst_part_is_the_grade(grades: list[Grade], worst: Grade):
    report = await examine([part(f"p{n}", grade) for n, grade in enumerate(grades)])

    assert report.grade is worst
    assert [each.grade for each in report.parts] == grades


async def test_a_part_that_hangs_or_breaks_has_failed_and_holds_nobody_up():
    async def hang() -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    async def breaks() -> Finding:
        raise RuntimeError("with a secret")

    report = await examine([Part("hung", hang), Part("broken", breaks), part("well", Grade.PASS)], patience_s=0.05)

    assert [each.grade for each in report.parts] == [Grade.FAIL, Grade.FAIL, Grade.PASS]
    assert "secret" not in report.parts[1].detail


async def test_figures_are_counted_by_route_and_name_no_tenant(gateway: Gateway):
    browser = await gateway.browser()
    await browser.get("/v1/runs/01a1fdbf-5cc4-74b0-85dc-50aa16f5df7a")

    text = (await browser.get("/metrics")).text

    assert 'windlass_http_requests_total{method="GET",route="/v1/runs/{run_id}",status="401"}' in text
    assert "01a1fdbf" not in text


@pytest.mark.parametrize(("variables", "status"), [({}, 404), ({"WINDLASS_DOCS": "1"}, 200)])
async def test_the_apis_pages_are_off_beyond_this_machine(database_url: str, variables: dict[str, str], status: int):
    """M2."""
    settings = settings_for(database_url, WINDLASS_HOST="0.0.0.0", **variables)  # noqa: S104
    async with running_gateway(settings) as public:
        browser = await public.browser()
        answers = [await browser.get(path) for path in ("/docs", "/redoc", "/openapi.json")]

    assert [answer.status_code for answer in answers] == [status] * 3


@pytest.mark.parametrize(
    ("grades", "said"),
    [
        ([Grade.PASS], "Everything works."),
        ([Grade.WARN, Grade.PASS, Grade.WARN], "Everything works. Worth a look: p0 and p2."),
        ([Grade.FAIL, Grade.WARN], "P0 is down."),
    ],
)
async def test_the_page_says_in_a_sentence_how_everything_is(grades: list[Grade], said: str):
    assert sentence(await examine([part(f"p{n}", grade) for n, grade in enumerate(grades)])) == said
