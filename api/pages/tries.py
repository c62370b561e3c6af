"""All tries of a run on one axis: what an earlier one finished is not drawn as if it had run again."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from api.pages.spans import Span


def joined(tries: Sequence[Span]) -> Span:
    """One span over the roots of all tries; a kept step shows where it was taken over instead of running again."""
    last = tries[-1]
    if len(tries) == 1:
        return last
    children: dict[str, Span] = {}
    for number, root in enumerate(tries, start=1):
        for span in root.children:
            _add(children, span, number, root)
    pauses = tuple(
        (before.ended_at, after.started_at) for before, after in pairwise(tries) if before.ended_at is not None
    )
    costs = [root.cost_usd for root in tries if root.cost_usd is not None]
    return replace(
        last,
        started_at=tries[0].started_at,
        children=tuple(children.values()),
        pauses=pauses,
        cost_usd=sum(costs, Decimal(0)) if costs else None,
    )


def _add(children: dict[str, Span], span: Span, number: int, root: Span) -> None:
    known = children.get(span.key)
    if span.taken_over and known is not None:
        children[span.key] = replace(known, again_at=(*known.again_at, root.started_at))
        return
    key = span.key if known is None else f"{span.key}:try{number}"
    said = [part for part in (span.note, f"try {number}" if number > 1 else "") if part]
    children[key] = replace(span, key=key, note=", ".join(said))
