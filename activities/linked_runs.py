"""Runs of agents that a model starts: each is started once, waited for, and ended with the turn that wanted it."""

import asyncio
from contextlib import suppress
from typing import Any, cast

import orjson

from activities.editor import BadEdit, text_of
from activities.occasions import Came, Occasion
from activities.shell import cut
from windlass.contracts.events import Payload
from windlass.contracts.runs import RunStatus
from windlass.core.artifacts import Artifacts
from windlass.core.errors import Conflict, Forbidden, Invalid, NotFound
from windlass.core.linked_runs import LinkedRuns, RunWish
from windlass.core.runs import Run

WAIT_S, LOOK_S, AGAIN_S = 600.0, 1.0, 0.1  # in one activity, between two looks, until the next activity
NAME_CHARACTERS = 200
WHY = "the turn that started it was interrupted"


class Linked:
    """Has agents run for models; one object per worker process."""

    def __init__(self, runs: LinkedRuns, artifacts: Artifacts) -> None:
        self._runs, self._artifacts = runs, artifacts

    async def carry_out(self, occasion: Occasion, stop: asyncio.Event) -> Came:
        """Start the run, and unless it is to go on by itself wait for its end as long as the turn may.

        The second time it is the same run. Raises BadEdit.
        """
        wish = _wish(occasion)
        try:
            run = await self._runs.start(wish)
        except NotFound:
            names = ", ".join(await self._runs.names(wish))
            return Came("failed", f"There is no agent {wish.agent}. There are: {names}.")
        except Invalid as invalid:
            wrong = "; ".join(f"{each.field} {each.message}" for each in invalid.errors)
            return Came("failed", f"{invalid.detail} {wrong}".strip())
        except (Conflict, Forbidden) as refused:
            return Came("failed", refused.detail)
        more: Payload = {"run_id": str(run.id)}
        if occasion.given.get("wait") is False:
            return Came("done", f"The run {run.id} goes on by itself.", more=more)
        ended = await self._ended(occasion, run, stop)
        if ended is not None:
            result = await self._artifacts.whole(occasion.tenant_id, ended.result or {})
            return _came_of(ended, result, more)
        return await self._not_over(occasion, stop, more)

    async def abandon(self, occasion: Occasion) -> None:
        """The turn was interrupted: end the run, if there is one."""
        await self._runs.cancel(occasion.tenant_id, occasion.run_id, WHY)

    async def _ended(self, occasion: Occasion, run: Run, stop: asyncio.Event) -> Run | None:
        """The run after its end; None: it was not awaited for so long, or the turn must stop."""
        found: Run | None = run
        with suppress(TimeoutError):
            async with asyncio.timeout(min(WAIT_S, max(0.0, occasion.left_s))):
                while found is not None and found.is_live and not stop.is_set():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), LOOK_S)
                    found = await self._runs.look(occasion.tenant_id, run.id)
        return None if found is None or found.is_live else found

    async def _not_over(self, occasion: Occasion, stop: asyncio.Event, more: Payload) -> Came:
        if stop.is_set():
            await self.abandon(occasion)
            return Came("failed", f"The turn was interrupted, and the run {more['run_id']} was cancelled.", more=more)
        if occasion.left_s > WAIT_S:
            return Came(waits_s=AGAIN_S)
        return Came(
            "done", f"The run {more['run_id']} takes longer than the turn may. It goes on by itself.", more=more
        )


def _wish(occasion: Occasion) -> RunWish:
    """The run that is wanted. Raises BadEdit."""
    given = occasion.given
    inputs: Any = given.get("inputs") or {}
    if not isinstance(inputs, dict):
        raise BadEdit("inputs must be an object. Nothing was started.")
    return RunWish(
        occasion.tenant_id,
        occasion.session_id,
        occasion.owner,
        occasion.run_id,
        text_of(given, "agent", NAME_CHARACTERS),
        cast(Payload, inputs),
        text_of(given, "title", NAME_CHARACTERS, may_be_empty=True).strip() or None,
    )


def _came_of(run: Run, result: Payload, more: Payload) -> Came:
    """What a run that has ended came to."""
    if run.status is RunStatus.FINISHED:
        return Came("done", cut(_said(next(iter(result.values()), None))), more=more)
    error = run.error or {}
    why = f": {error.get('type')}: {error.get('message')}" if error else "."
    ended = "was cancelled" if run.status is RunStatus.CANCELLED else "failed"
    return Came("failed", cut(f"The run {run.id} {ended}{why}"), more=more)


def _said(value: Any) -> str:
    """A result in words: the text it is made of, or JSON."""
    text: Any = cast(Payload, value).get("body") if isinstance(value, dict) else value
    return text if isinstance(text, str) else orjson.dumps(value).decode()
