"""`/compat/kodosumi`: the paths of the panel that Windlass replaces, for clients that change their base URL only."""

from api.routes.compat.kodosumi import (
    access,
    audits,
    boots,
    dashboard,
    exchange,
    executions,
    exposes,
    files,
    flows,
    locks,
    pages,
    settings,
    uploads,
)

ROUTERS = (
    access.router,
    flows.router,
    locks.router,
    pages.router,
    executions.router,
    dashboard.router,
    uploads.router,  # before the files of executions, whose paths take any name
    files.router,
    exposes.router,
    exchange.router,
    boots.router,
    audits.router,
    settings.router,
    pages.hidden,  # last: what has no meaning here
)
