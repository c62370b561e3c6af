"""A service that cannot be imported."""

from windlass import ServeAPI

app = ServeAPI()

raise RuntimeError("the model file is missing")
