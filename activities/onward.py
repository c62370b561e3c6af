"""A use of a tool that is alone in its answer, and the call to the model that follows it, in one activity."""

import asyncio

from temporalio import activity

from activities.beats import beating
from activities.sessions import SessionActivities
from activities.uses import Hands, Use
from windlass.contracts import policies
from windlass.contracts import sessions as words
from windlass.contracts.sessions import Answered, AskInput, Onward, UseInput


class OnwardActivities:
    """Uses tools and asks on; one object per worker process."""

    def __init__(self, hands: Hands, talks: SessionActivities) -> None:
        self._hands, self._talks = hands, talks

    @activity.defn(name=words.USE_THEN_ASK)
    async def use_then_ask(self, request: UseInput) -> Onward:
        """Use one tool and, once what came of it is on record, ask the model what comes next.

        Here the model is asked in the first attempt alone. Whatever cuts that off, the second time makes sure of the
        use, as a use alone does, and leaves the model to an activity that has its own attempts at it.
        """
        use, is_first = Use(self._hands, request), activity.info().attempt == 1
        async with beating():
            if not is_first and await use.is_on_record():
                return Onward(tried=1)
            async with asyncio.timeout(policies.USE.total_seconds()):
                waits_s = await use.carry_out()
            if waits_s is not None or not is_first or not use.is_settled:  # else another attempt may ask already
                return Onward(waits_s)
            return Onward(answered=await self._asked(request))

    async def _asked(self, use: UseInput) -> Answered:
        following = AskInput(use.tenant_id, use.session_id, use.turn, use.call + 1)
        async with asyncio.timeout(policies.THINK.total_seconds()):
            return await self._talks.answer(following)
