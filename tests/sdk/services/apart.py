"""The same agents, each run in a process of its own."""

from agents import app as shared

from windlass import ServeAPI

app = ServeAPI(isolation="process")
app.flows = shared.flows


def make() -> ServeAPI:
    """A factory."""
    return app
