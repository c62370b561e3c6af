"""A service describes its flows and asks their handlers, over plain HTTP too."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from fastapi import Request

from windlass import InputsError, Launch, ServeAPI, forms
from windlass.launch import name_of, resolve

app = ServeAPI(title="Test")
FORM = forms.Model(
    forms.Markdown("# Trivial"),
    forms.InputText(name="name", label="Name", value="x", required=True),
    forms.Submit("GO"),
)


@app.enter(
    "/much/deeper",
    FORM,
    summary="Trivial",
    tags=["bench", "Test"],
    author="me@example.com",
    organization="Org",
    version="1.2.3",
)
async def enter(inputs: dict[str, Any], request: Request) -> Launch:
    """Never shown: the decorator has a summary."""
    if inputs["name"] == "bad":
        raise InputsError("global message", name="name must not be bad")
    return Launch(request, agent, inputs)


@app.enter("/", FORM)
def documented(request: Request) -> Launch:
    """Say what it does.

    And more.
    """
    return Launch(request, agent)


@app.enter("/wrong", forms.Model())
async def wrong() -> None:
    """Launch nothing."""


@app.enter("/fails", forms.Model())
async def fails() -> Launch:
    """Fail."""
    raise RuntimeError("This is a runtime error")


@app.get("/plain")
async def plain_route(request: Request) -> dict[str, str]:
    """A route that is no flow."""
    return {"plain": "yes"}


async def agent() -> None:
    """Do nothing."""


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


async def test_get_describes_the_flow_and_its_form(http: httpx.AsyncClient):
    described = (await http.get("/much/deeper")).json()

    assert described["elements"] == FORM.get_model()
    assert (described["summary"], described["tags"]) == ("Trivial", ["bench", "Test"])
    assert described["openapi_extra"]["x-kodosumi"] is True
    assert described["openapi_extra"]["x-author"] == "me@example.com"


async def test_the_docstring_describes_a_flow_that_says_nothing_else():
    about = app.flows["/"].about

    assert (about.summary, about.description) == ("Say what it does", "And more.")


def test_the_docstring_is_the_description_of_a_flow_that_has_a_summary():
    named = ServeAPI()
    named.enter("/", forms.Model(), summary="Named")(wrong)

    assert (named.flows["/"].about.summary, named.flows["/"].about.description) == ("Named", "Launch nothing.")


async def test_post_answers_with_the_id_of_the_run_it_decided_on(http: httpx.AsyncClient):
    answer = await http.post("/much/deeper", json={"name": "hello"}, headers={"x-windlass-run": "r1"})

    assert answer.json() == {"result": "r1", "elements": FORM.get_model()}
    assert answer.headers["kodosumi_launch"] == "r1"


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (b'{"name":"bad"}', {"name": ["name must not be bad"], "_global_": ["global message"]}),
        (b"{}", {"name": ["is required"], "_global_": []}),
        (b"no json", {"name": ["is required"], "_global_": []}),
        (b"[1]", {"name": ["is required"], "_global_": []}),
    ],
)
async def test_post_answers_with_the_errors_by_field(http: httpx.AsyncClient, body: bytes, errors: Any):
    answer = await http.post("/much/deeper", content=body)

    assert answer.status_code == 200
    assert answer.json() == {"errors": errors, "elements": FORM.get_model()}


async def test_a_handler_that_launches_nothing_is_a_400(http: httpx.AsyncClient):
    answer = await http.post("/wrong")

    assert answer.status_code == 400
    assert answer.json()["detail"] == "windlass endpoint must return a Launch object or raise an InputsError"


async def test_an_exception_is_a_problem_without_its_traceback(http: httpx.AsyncClient):
    answer = await http.post("/fails")

    assert answer.status_code == 500
    assert (answer.json()["title"], answer.json()["detail"]) == ("RuntimeError", "This is a runtime error")
    assert "Traceback" not in answer.text


async def test_plain_routes_stay_plain(http: httpx.AsyncClient):
    assert (await http.get("/plain")).json() == {"plain": "yes"}
    assert "/plain" not in app.flows


async def test_the_api_document_marks_the_flows(http: httpx.AsyncClient):
    paths = (await http.get("/openapi.json")).json()["paths"]

    assert paths["/much/deeper"]["get"]["x-windlass"] is True
    assert paths["/much/deeper"]["post"]["x-kodosumi"] is False
    assert paths["/much/deeper"]["get"]["x-version"] == "1.2.3"
    assert "x-windlass" not in paths["/plain"]["get"]


@pytest.mark.parametrize(("path", "name"), [("/much/deeper", "much.deeper"), ("/", "root"), ("/fails", "fails")])
def test_a_flow_is_found_by_its_path_and_by_its_name(path: str, name: str):
    assert app.flow(path) is app.flow(name) is app.flows[path]
    assert app.flows[path].name == name


def test_an_entry_point_is_a_function_that_can_be_imported():
    def nested() -> None: ...

    assert resolve(name_of(agent)) is agent
    assert resolve("json.dumps") is resolve("json:dumps")
    for wrong in (nested, lambda: None):
        with pytest.raises(ValueError, match="move the agent to the top level"):
            name_of(wrong)


@pytest.mark.parametrize("name", ["nothing", ":x", "json:", "json:__name__"])
def test_a_name_that_leads_to_nothing_callable_is_refused(name: str):
    with pytest.raises(ValueError, match=r"is no entry point|cannot be called"):
        resolve(name)
