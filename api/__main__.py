"""Run one gateway process: `python -m api`."""

import uvicorn
import uvloop
from fastapi import FastAPI

from api.app import create_app
from api.lifespan import open_state
from windlass.core.settings import Settings

GRACE_S = 5  # how long open requests and streams may take to end


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then end streams and finish requests."""
    async with open_state(settings) as state:
        await uvicorn.Server(server_config(create_app(state), settings)).serve()


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="none",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies or None,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=30,
    )


if __name__ == "__main__":
    uvloop.run(serve(Settings.load()))
