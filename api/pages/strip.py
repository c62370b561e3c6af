"""The pawl strip: a run's steps as one small row of blocks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from windlass.core.run_steps import Step

GAP = 2.0
NARROWEST = 4.0
MOST_BLOCKS = 24
LIVE_WEIGHT = 3.0  # nobody knows how long it will take
AHEAD = 0.26  # share of a live strip that is still to come


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of the strip, in pixels."""

    look: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Strip:
    """The blocks, and the same in words."""

    blocks: tuple[Block, ...]
    text: str
    width: int


def draw_strip(steps: Sequence[Step], status: str, *, model: bool = False, width: int = 168) -> Strip:
    """Draw the steps of a run in their order; a live run shows that more may come.

    `model`: the run has called a model, which is all of it when it has no steps.
    """
    named = groupby(steps, key=lambda step: (step.name, look(step, status)))
    most = min(MOST_BLOCKS, int((1 - AHEAD) * width / (NARROWEST + GAP)))
    pieces = merged([(name[1], sum(weight(step) for step in same)) for name, same in named], most)[-most:]
    is_live = status in ("queued", "starting", "running", "awaiting")
    open_end = is_live or (status in ("failed", "cancelled") and bool(steps))
    if status == "finished" and not pieces:
        pieces = [("k-model" if model else "k-step", 1.0)]
    if not pieces and model and status == "running":
        pieces = [("live", 1.0)]
    ahead = (width if not pieces else AHEAD * width) if open_end or not pieces else 0.0
    room = width - ahead - GAP * max(0, len(pieces) - (0 if ahead else 1))
    blocks = [*place(pieces, room)]
    if ahead:
        x = blocks[-1].x + blocks[-1].width + GAP if blocks else 0.0
        blocks.append(Block("ahead", round(x, 1), round(width - x, 1)))
    return Strip(tuple(blocks), in_words(steps, status), width)


def place(pieces: Sequence[tuple[str, float]], room: float) -> tuple[Block, ...]:
    """Share the room out by weight, nobody under the narrowest."""
    spare = room - NARROWEST * len(pieces)
    total = sum(heavy for _, heavy in pieces) or 1.0
    blocks: list[Block] = []
    x = 0.0
    for name, heavy in pieces:
        wide = NARROWEST + max(0.0, spare) * heavy / total
        blocks.append(Block(name, round(x, 1), round(wide, 1)))
        x += wide + GAP
    return tuple(blocks)


def merged(pieces: Sequence[tuple[str, float]], most: int) -> list[tuple[str, float]]:
    """Neighbours of one look become one block once there are too many to tell apart."""
    if len(pieces) <= most:
        return list(pieces)
    return [(name, sum(heavy for _, heavy in same)) for name, same in groupby(pieces, key=lambda piece: piece[0])]


def look(step: Step, status: str) -> str:
    """The fill of a step's block."""
    if step.state in ("failed", "unknown"):
        return "bad"
    if step.state == "done":
        return "waited" if step.until is not None else "k-step"
    if status in ("finished", "failed", "cancelled"):
        return "stopped"
    return "waited" if step.until is not None else "live"


def weight(step: Step) -> float:
    """How wide a step wants to be: long ones wider, but never out of all proportion."""
    if step.state == "started":
        return LIVE_WEIGHT
    return 1.0 + math.sqrt(max(0.0, step.ms or 0.0) / 1000)


def in_words(steps: Sequence[Step], status: str) -> str:
    """What the strip says, for those who cannot see it."""
    if not steps:
        return f"{status}, no steps yet" if status in ("queued", "starting", "running") else f"{status}, no steps"
    kept = sum(step.state == "done" for step in steps)
    parts = [f"{kept} of {len(steps)} steps kept"]
    running = [step.name for step in steps if step.state == "started"]
    if running and status in ("running", "awaiting"):
        more = f" and {len(running) - 2} more" if len(running) > 2 else ""
        parts.append(f"{', '.join(running[:2])}{more} {'is' if len(running) == 1 else 'are'} running")
    failed = [step.name for step in steps if step.state in ("failed", "unknown")]
    if failed:
        parts.append(f"{failed[-1]} failed")
    return ", ".join(parts)
