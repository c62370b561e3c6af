"""A service that comes up when it is let: it says that it began, and waits for a file."""

import os
import time
from pathlib import Path

from fastapi import Request

from windlass import Launch, ServeAPI, forms

GATE = Path(os.environ["GATE"])
(GATE / f"began-{os.getpid()}").touch()
while not (GATE / "open").exists():
    time.sleep(0.02)

app = ServeAPI()


@app.enter("/answer", forms.Model(forms.Submit("Go")))
async def enter(request: Request) -> Launch:
    """Answer which process it is."""
    return Launch(request, answer)


async def answer() -> int:
    """The process."""
    return os.getpid()
