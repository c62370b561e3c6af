"""The whole API, asked with whatever its schema allows and forbids (control M1)."""

import asyncio
import os
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis.strategies import booleans, just
from requests.adapters import HTTPAdapter
from schemathesis import GenerationMode

from tests.api.machines import on_paper
from tests.api.people import Gateway, Person
from tests.api.test_bad_input import FIELDS

EXAMPLES = 40 if os.environ.get("WINDLASS_FAULTS") == "full" else 3  # of each mode, for each operation; `make fuzz`
ADDRESS = "127.0.0.99"  # its own: it guesses passwords, and whoever does that may not sign in for a while
LEFT_OUT = {
    "/ready",  # 503 is its answer without Temporal
    "/v1/stream",  # never ends
    "/compat/kayos/api/v1/agents/execute",  # ends with its turn
    "/compat/kodosumi/boot",  # ends with the boot, which needs an engine
    "/compat/kodosumi/logout",  # ends the session of this test
    "/v1/auth/logout",
    "/v1/auth/password",
    "/metrics",
}
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=(hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much),
)


class FromAddress(HTTPAdapter):
    """Connects from an address of this machine."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """The pool as `requests` makes it, bound to the address."""
        super().init_poolmanager(*args, source_address=(ADDRESS, 0), **options)


@pytest.fixture(scope="module")
async def tester(gateway: Gateway) -> Person:
    """An owner whose organisation may be filled with nonsense."""
    return (await gateway.organisation("Nonsense")).owner


@pytest.fixture(scope="module")
async def described(tester: Person) -> dict[str, Any]:
    """What the gateway says of itself."""
    return (await tester.http.get("/openapi.json", timeout=120)).json()  # the first time it is put together


async def test_every_operation_says_that_its_errors_are_problems(described: dict[str, Any]):
    answers = [each["responses"] for path in described["paths"].values() for each in path.values()]

    errors = [each.get(status, {}) for each in answers for status in ("4XX", "5XX")]

    assert {str(each.get("$ref")) for each in errors} == {"#/components/responses/Problem"}
    assert not [each for each in answers if "422" in each]
    assert list(described["components"]["responses"]["Problem"]["content"]) == ["application/problem+json"]
    assert set(described["components"]["schemas"]["Problem"]["required"]) == FIELDS


@pytest.mark.timeout(900)
async def test_nothing_the_schema_allows_or_forbids_breaks_the_gateway(
    gateway: Gateway, tester: Person, described: dict[str, Any]
):
    """M1: no 5xx, every error is a problem, no traceback."""
    schema = schemathesis.openapi.from_dict(described)

    await on_paper(gateway.state["database"])
    real = await things(tester)

    asked = await asyncio.to_thread(ask_everything, schema, Target(gateway.url, tester.token, real))

    assert asked > 30
    assert (await tester.http.get("/v1/me")).status_code == 200


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask, as whom, and the names of things that exist."""

    url: str
    token: str
    real: dict[str, str]


async def things(person: Person) -> dict[str, str]:
    """Things that exist, by the name that addresses give them."""
    run = await person.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hi"}})
    key = await person.http.post("/v1/api-keys", json={"name": "real"})
    desktop = await person.http.post("/v1/desktops", json={})
    return {
        "desktop_id": desktop.json()["id"],
        "worker_id": desktop.json()["id"],
        "run_id": run.json()["id"],
        "key_id": key.json()["id"],
        "tenant_id": str(person.tenant_id),
        "person_id": str(person.id),
    }


def ask_everything(schema: Any, target: Target) -> int:
    """Ask every operation with good and bad values; answers how many operations there are."""
    operations = [result.ok() for result in schema.get_all_operations()]
    operations = [each for each in operations if each.path not in LEFT_OUT]
    with requests.Session() as session:
        session.trust_env = False  # else the disk is asked for a .netrc before each request
        session.mount("http://", FromAddress())
        for operation in operations:
            for mode in GenerationMode if forbids_something(operation) else (GenerationMode.POSITIVE,):
                ask(operation, mode, target, session)
    return len(operations)


def forbids_something(operation: Any) -> bool:
    """Whether any value is wrong by the schema. Where none is, drawing one fails a thousand times before it says so."""
    described = operation.definition.raw
    parameters = (each for each in described.get("parameters", ()) if each["in"] != "path" or constraints(each))
    body = described.get("requestBody", {}).get("content", {}).keys() - {"application/octet-stream"}
    return bool(body) or any(parameters)


def constraints(parameter: dict[str, Any]) -> dict[str, Any]:
    """What the schema of a parameter asks for besides text."""
    return {
        name: value
        for name, value in parameter["schema"].items()
        if (name, value) != ("type", "string") and name != "title"
    }


def is_stream(operation: Any) -> bool:
    """Whether it answers for as long as its thing lives."""
    return "text/event-stream" in operation.definition.raw["responses"].get("200", {}).get("content", {})


def is_described(operation: Any, answer: Any) -> bool:
    """Whether the operation says that it may answer so: by its status, and in this form."""
    answers, status = operation.definition.raw["responses"], str(answer.status_code)
    if status not in answers:
        return f"{status[0]}XX" in answers
    forms = answers[status].get("content", {})
    sent = answer.headers.get("content-type", [""])[0].partition(";")[0]
    return sent in forms or not (forms and answer.content)


def ask(operation: Any, mode: GenerationMode, target: Target, session: requests.Session) -> None:
    """Ask one operation; where its address names a thing, half of the time one that exists, unless it is followed."""

    @SETTINGS
    @hypothesis.given(
        case=operation.as_strategy(generation_mode=mode), exists=just(False) if is_stream(operation) else booleans()
    )
    def check(case: Any, exists: bool) -> None:
        if exists:
            names: dict[str, Any] = case.path_parameters or {}
            case.path_parameters = names | {name: target.real[name] for name in names if name in target.real}
        headers = {"authorization": f"Bearer {target.token}"}
        answer = case.call(base_url=target.url, session=session, headers=headers)
        assert answer.status_code < 500, f"{case.as_curl_command()}\n{answer.text}"
        assert "Traceback" not in answer.text
        assert is_described(operation, answer), f"{case.as_curl_command()}\n{answer.status_code} {answer.headers}"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"], case.as_curl_command()

    check()
