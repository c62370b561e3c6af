"""A service whose steps give back texts too large for an event, and leave a mark in a file at every execution."""

import asyncio
import os
from typing import Any

from fastapi import Request

from windlass import Launch, ServeAPI, Tracer, forms

CHARACTERS = 40_000

app = ServeAPI()


@app.enter(
    "/texts",
    forms.Model(
        forms.InputText("marks", label="File that gets a line per execution", required=True),
        forms.InputNumber("n", label="How many texts", value=5, min_value=1, required=True),
        forms.Submit("Start"),
    ),
)
async def enter_texts(inputs: dict[str, Any], request: Request) -> Launch:
    """Write so many texts."""
    return Launch(request, write_texts, inputs)


async def write_texts(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Write one text after the other; the result is all of them."""
    texts = [await tracer.step(f"text {n}", write_text, n, inputs["marks"]) for n in range(int(inputs["n"]))]
    return "".join(texts)


async def write_text(number: int, marks: str) -> str:
    """Leave a mark, work a little, give back a large text."""
    file = os.open(marks, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{number}\n".encode())
    finally:
        os.close(file)
    await asyncio.sleep(0.3)
    return str(number) * CHARACTERS
