"""Every page of the console."""

from fastapi import APIRouter

from api.pages import agents, audit, files, find, home, live, questions, runs, services, settings, signin, start, system

ROUTERS: tuple[APIRouter, ...] = (
    files.router,
    signin.router,
    home.router,
    runs.router,
    questions.router,
    start.router,
    agents.router,
    services.router,
    settings.router,
    audit.router,
    system.router,
    find.router,
    live.router,
)
