"""Every page of the console."""

from fastapi import APIRouter

from api.pages import (
    agents,
    audit,
    desktop_skills,
    desktop_templates,
    desktops,
    files,
    find,
    home,
    join,
    live,
    organisation,
    questions,
    runs,
    runs_bulk,
    runs_csv,
    runs_saved,
    saved_agents,
    schedules,
    servers,
    services,
    sessions,
    settings,
    signin,
    start,
    system,
    tasks,
    week,
)

ROUTERS: tuple[APIRouter, ...] = (
    files.router,
    signin.router,
    join.router,
    home.router,
    runs_csv.router,
    runs_bulk.router,  # before the runs, whose address would take their names for an id
    runs_saved.router,
    runs.router,
    questions.router,
    start.router,
    sessions.router,
    desktops.router,
    saved_agents.router,  # before the agents, whose address would take `new` for a name
    agents.router,
    week.router,  # before the schedules, whose address would take its name for an id
    schedules.router,
    tasks.router,
    servers.router,
    services.router,
    settings.router,
    organisation.router,
    desktop_templates.router,
    desktop_skills.router,
    audit.router,
    system.router,
    find.router,
    live.router,
)
