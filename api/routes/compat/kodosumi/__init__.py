"""`/compat/kodosumi`: the paths of the panel that Windlass replaces, for clients that change their base URL only."""

from api.routes.compat.kodosumi import access, boots, dashboard, exchange, executions, exposes, files, flows, locks

ROUTERS = (
    access.router,
    flows.router,
    locks.router,
    executions.router,
    dashboard.router,
    files.router,
    exposes.router,
    exchange.router,
    boots.router,
)
