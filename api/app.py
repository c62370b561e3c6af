"""The gateway as a list: what it is made of, outermost first."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from api import docs
from api.dependencies import State
from api.described import Described
from api.errors import install_problems
from api.middleware.bodies import Bodies
from api.middleware.idempotency import IdempotentPosts
from api.middleware.problems import Problems
from api.middleware.requests import Requests
from api.middleware.security import SecurityHeaders
from api.pages import console
from api.pages.problems import render_problem
from api.routes import (
    admin,
    agents,
    audit,
    auth,
    boot,
    dashboard,
    desktop_skills,
    desktop_templates,
    desktops,
    exchange,
    file_uploads,
    files,
    flows,
    health,
    invitations,
    keys,
    me,
    members,
    proxy,
    questions,
    run_archive,
    run_changes,
    runs,
    schedules,
    screens,
    servers,
    service_defaults,
    services,
    session_files,
    session_sockets,
    sessions,
    settings,
    stream,
    system_schedules,
    tasks,
    tenant_exchange,
    tenants,
    viewers,
)
from api.routes.compat import agent_api, agent_tasks, kayos, kodosumi
from api.routes.compat import desktops as compat_desktops
from windlass.core.settings import Settings

VENDOR = Path(__file__).parent / "static" / "vendor"

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    auth.router,
    me.router,
    tenants.router,
    settings.router,
    members.router,
    invitations.router,
    keys.router,
    audit.router,
    admin.router,
    system_schedules.router,
    agents.router,
    files.router,
    files.links,
    file_uploads.router,
    run_changes.router,
    runs.router,
    run_archive.router,
    dashboard.router,
    questions.router,
    exchange.router,
    tenant_exchange.router,
    service_defaults.router,
    services.router,
    flows.router,
    boot.router,
    servers.router,
    tasks.router,
    schedules.router,
    desktop_templates.router,
    desktop_skills.router,
    sessions.router,
    session_files.router,
    session_sockets.router,
    desktops.router,
    screens.router,
    screens.cleaning,
    viewers.router,
    compat_desktops.router,
    agent_api.router,
    agent_api.sockets,
    agent_tasks.router,
    kayos.router,
    *kodosumi.ROUTERS,
    proxy.router,
    stream.router,
)


def create_app(state: State) -> FastAPI:
    """The application of one process, around its state."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[State]:
        yield state

    app = Described(
        title="Windlass",
        summary="Durable runs for AI agents.",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if state["settings"].docs_enabled else None,
        lifespan=lifespan,
        middleware=middleware(state["settings"]),
    )
    install_problems(app, render_problem)
    documented = [docs.router] if state["settings"].docs_enabled else []
    for router in (*ROUTERS, *console.ROUTERS, *documented):
        # As they stand. `include_router` has each made a second time by the first request that comes so far: 0.65
        # core-seconds of every gateway that is started, and 8 MB.
        app.router.routes.extend(router.routes)
    if state["settings"].docs_enabled:
        app.mount("/static/vendor", StaticFiles(directory=VENDOR), name="vendor")
    return app


def middleware(settings: Settings) -> list[Middleware]:
    """What every request passes, outermost first."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
        allow_headers=["authorization", "content-type", "idempotency-key", "last-event-id", "x-request-id"],
        expose_headers=["x-request-id", "retry-after", "ratelimit", "ratelimit-policy"],
    )
    return [
        Middleware(Requests),
        Middleware(SecurityHeaders),
        *([cors] if settings.cors_origins else []),
        Middleware(Problems, render=render_problem),
        Middleware(Bodies),
        Middleware(IdempotentPosts),
    ]
