"""Run one gateway process: `python -m api`."""

import uvloop
from prometheus_client import REGISTRY

from api.app import create_app
from api.lifespan import open_state
from api.server import server
from windlass.core.logging import configure
from windlass.core.settings import Settings
from windlass.core.stream_health import StreamMetrics


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then end streams and finish requests."""
    async with open_state(settings) as state:
        REGISTRY.register(StreamMetrics(state["engine"].hub))
        await server(create_app(state), settings, state["engine"].hub.drain).serve()


def main() -> None:
    """Read the settings and serve."""
    settings = Settings.load()
    configure("gateway", format=settings.log_format, level=settings.log_level)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
