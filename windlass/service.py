"""ServeAPI: the FastAPI application a service is written with."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import cleandoc, iscoroutinefunction
from typing import Any, Literal, TypeVar, cast
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from windlass.errors import InputsError, NotLaunched
from windlass.forms import Model, json_schema, validate
from windlass.launch import Launch, chosen

Handler = TypeVar("Handler", bound=Callable[..., Any])
Isolation = Literal["shared", "process"]


@dataclass(frozen=True, slots=True)
class About:
    """What a flow says about itself."""

    summary: str | None = None
    description: str | None = None
    tags: list[str] = field(default_factory=list[str])
    author: str | None = None
    organization: str | None = None
    version: str | None = None
    deprecated: bool = False

    def document(self) -> dict[str, Any]:
        """As part of an OpenAPI operation."""
        credits_ = {"author": self.author, "organization": self.organization, "version": self.version}
        return {f"x-{name}": value for name, value in credits_.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Flow:
    """One entry point of a service: a form and the handler that decides what to launch."""

    path: str
    handler: Callable[..., Any]
    model: Model
    about: About

    @property
    def name(self) -> str:
        """The last part of the agent's name: `/much/deeper` is `much.deeper`, `/` is `root`."""
        inner = self.path.strip("/").lower().replace("/", ".")
        return re.sub(r"[^a-z0-9._-]", "-", inner) or "root"

    def checked(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the form's fields. Raises `InputsError`."""
        values, errors = validate(self.model.get_model(), inputs)
        if errors:
            refused = InputsError()
            refused.errors = errors
            raise refused
        return values

    async def enter(self, values: Mapping[str, Any], request: Request) -> Launch:
        """Ask the handler. Raises `InputsError` or `NotLaunched` when there is nothing to run."""
        launch = await _called(self.handler, {"inputs": values, "request": request})
        if not isinstance(launch, Launch):
            raise NotLaunched
        return launch

    def description(self) -> dict[str, Any]:
        """Everything a client needs to show the flow and to fill in its form."""
        elements = self.model.get_model()
        return {
            "name": self.name,
            "path": self.path,
            "summary": self.about.summary,
            "description": self.about.description,
            "tags": self.about.tags,
            "author": self.about.author,
            "organization": self.about.organization,
            "version": self.about.version,
            "deprecated": self.about.deprecated,
            "elements": elements,
            "schema": json_schema(elements),
        }


class ServeAPI(FastAPI):
    """A FastAPI application whose `enter` routes are flows.

    `isolation="process"` gives every run a process of its own; by default the runs of a service share one.
    """

    def __init__(self, *args: Any, isolation: Isolation = "shared", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.isolation: Isolation = isolation
        self.flows: dict[str, Flow] = {}
        self.yielded: dict[str, Any] = {}  # by the lifespan
        self.locks: dict[str, Callable[..., Any]] = {}
        self.leases: dict[str, Callable[..., Any]] = {}
        self.add_exception_handler(Exception, _problem)

    def enter(
        self, path: str, model: Model, *, openapi_extra: Mapping[str, Any] | None = None, **settings: Any
    ) -> Callable[[Handler], Handler]:
        """Make the decorated handler a flow: `GET path` describes it, `POST path` asks it what to launch.

        `summary description tags author organization version deprecated` describe it; every other keyword is FastAPI's.
        The handler takes any of `inputs` and `request`, and returns a `Launch` or raises `InputsError`.
        """
        described = {name: settings.pop(name) for name in About.__slots__ if settings.get(name) is not None}

        def register(handler: Handler) -> Handler:
            flow = Flow(path, handler, model, About(**_from_docstring(handler, "summary" in described) | described))
            self.flows[path] = flow
            self._add_routes(flow, {**flow.about.document(), **(openapi_extra or {})}, settings)
            return handler

        return register

    def lock(self, name: str) -> Callable[[Handler], Handler]:
        """Make the decorated handler the form of the question `name`: any of `data` and `request` in, a `Model` out."""
        return partial(_register, self.locks, name)

    def lease(self, name: str) -> Callable[[Handler], Handler]:
        """Let the decorated handler take answers to `name`: any of `data`, `inputs` and `request` in, the result out.

        It may raise `InputsError`: then the question stays open. Without a handler the inputs are the result.
        """
        return partial(_register, self.leases, name)

    question = lock
    answer = lease

    async def ask_for(self, name: str, data: Any, request: Request) -> Model:
        """The form of a question."""
        form = await _called(self.locks[name], {"data": data, "request": request})
        if not isinstance(form, Model):
            raise TypeError(f"the handler of the question {name!r} returned a {type(form).__name__}, not a forms.Model")
        return form

    async def take_answer(self, name: str, data: Any, inputs: Mapping[str, Any], request: Request) -> Any:
        """What an answer amounts to. Raises `InputsError`."""
        handler = self.leases.get(name)
        return (
            inputs
            if handler is None
            else await _called(handler, {"data": data, "inputs": dict(inputs), "request": request})
        )

    def flow(self, wanted: str) -> Flow | None:
        """The flow at this path, or of this name."""
        return self.flows.get(wanted) or next((each for each in self.flows.values() if each.name == wanted), None)

    def flow_of(self, handler: Callable[..., Any] | None) -> Flow | None:
        """The flow that this handler enters."""
        return next((each for each in self.flows.values() if each.handler is handler), None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; `request.state.user` and `.prefix` say for whom and below which address.

        What the application's lifespan yields is in `request.state` too, also of handlers of flows and questions.
        """
        state = scope.setdefault("state", {})
        if scope["type"] == "lifespan":
            self.yielded = state
        else:
            headers = Headers(scope=scope)
            for name, value in self.yielded.items():
                state.setdefault(name, value)
            state.setdefault("user", headers.get("x-windlass-user") or headers.get("x-kodosumi_user"))
            state.setdefault("prefix", headers.get("x-windlass-base") or headers.get("x-kodosumi_base"))
        await super().__call__(scope, receive, send)

    def get(self, path: str, **settings: Any) -> Callable[[Handler], Handler]:
        """A plain route; `entry=True` marks it as a flow, `author organization version` say more about it."""
        return super().get(path, **_marked(settings))

    def post(self, path: str, **settings: Any) -> Callable[[Handler], Handler]:
        """A plain route, as `get`."""
        return super().post(path, **_marked(settings))

    def put(self, path: str, **settings: Any) -> Callable[[Handler], Handler]:
        """A plain route, as `get`."""
        return super().put(path, **_marked(settings))

    def delete(self, path: str, **settings: Any) -> Callable[[Handler], Handler]:
        """A plain route, as `get`."""
        return super().delete(path, **_marked(settings))

    def patch(self, path: str, **settings: Any) -> Callable[[Handler], Handler]:
        """A plain route, as `get`."""
        return super().patch(path, **_marked(settings))

    def options(self, path: str, **settings: Any) -> Callable[[Handler], Handler]:
        """A plain route, as `get`."""
        return super().options(path, **_marked(settings))

    def head(self, path: str, **settings: Any) -> Callable[[Handler], Handler]:
        """A plain route, as `get`."""
        return super().head(path, **_marked(settings))

    def _add_routes(self, flow: Flow, extra: dict[str, Any], settings: dict[str, Any]) -> None:
        async def describe() -> dict[str, Any]:
            return flow.description() | {"openapi_extra": {"x-kodosumi": True, "x-windlass": True, **extra}}

        async def post(request: Request) -> JSONResponse:
            return await _answer(flow, request)

        shown: dict[str, Any] = {
            "summary": flow.about.summary,
            "description": flow.about.description,
            "tags": list(flow.about.tags),
            "deprecated": flow.about.deprecated,
            **settings,
        }
        for method, function, marked in (("GET", describe, True), ("POST", post, False)):
            marks = {"x-kodosumi": marked, "x-windlass": marked, **extra}
            self.add_api_route(
                flow.path, function, methods=[method], openapi_extra=marks, name=f"{method} {flow.name}", **shown
            )


async def _called(handler: Callable[..., Any], offered: Mapping[str, Any]) -> Any:
    """Call a handler, async or not, with what it asks for of what is offered."""
    arguments = chosen(handler, offered)
    if iscoroutinefunction(handler):
        return await handler(**arguments)
    return await run_in_threadpool(handler, **arguments)


def _marked(settings: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's settings of a route, with our marks in its part of the API document."""
    credits_ = {name: settings.pop(name, None) for name in ("author", "organization", "version")}
    marks: dict[str, Any] = {f"x-{name}": value for name, value in credits_.items() if value is not None}
    if settings.pop("entry", False):
        marks |= {"x-kodosumi": True, "x-windlass": True}
    extra: dict[str, Any] = {**marks, **(settings.pop("openapi_extra", None) or {})}
    return {**settings, "openapi_extra": extra} if extra else settings


def _register(handlers: dict[str, Callable[..., Any]], name: str, handler: Handler) -> Handler:
    handlers[name] = handler
    return handler


async def _answer(flow: Flow, request: Request) -> JSONResponse:
    elements = flow.model.get_model()
    try:
        await flow.enter(flow.checked(await _body(request)), request)
    except InputsError as refused:
        return JSONResponse({"errors": refused.by_field(), "elements": elements})
    except NotLaunched as wrong:
        raise HTTPException(400, str(wrong)) from None
    run_id = request.headers.get("x-windlass-run") or uuid4().hex
    return JSONResponse({"result": run_id, "elements": elements}, headers={"kodosumi_launch": run_id})


async def _body(request: Request) -> dict[str, Any]:
    """The inputs of a POST; a body that is no JSON object counts as empty."""
    try:
        body: Any = json.loads(await request.body() or b"{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


async def _problem(request: Request, error: Exception) -> JSONResponse:
    """Say what went wrong without the traceback, which goes to the service's log."""
    document = {"title": type(error).__name__, "status": 500, "detail": str(error), "instance": request.url.path}
    return JSONResponse(document, status_code=500, media_type="application/problem+json")


def _from_docstring(handler: Callable[..., Any], has_summary: bool) -> dict[str, Any]:
    """What the decorator does not say: a summary from the docstring's first line, a description from what is left."""
    if has_summary:
        return {"description": cleandoc(handler.__doc__)} if handler.__doc__ else {}
    summary, _, description = (handler.__doc__ or "").strip().partition("\n")
    found = {"summary": summary.strip().rstrip(".") or handler.__name__, "description": cleandoc(description)}
    return {name: text for name, text in found.items() if text}
