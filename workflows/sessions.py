"""The life of a session: one turn at a time, as long as somebody has something to say."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count, groupby

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from windlass.contracts import policies
    from windlass.contracts import sessions as words
    from windlass.contracts.sessions import (
        MOST_WAITING,
        Answered,
        AskInput,
        Move,
        Onward,
        Said,
        SealInput,
        SessionInput,
        SessionRef,
        Turn,
        TurnEnd,
        Used,
        UseInput,
    )

MOST_TURNS, MOST_EVENTS, MOST_BYTES, MOST_UPDATES = 50, 2_000, 2_000_000, 500


@workflow.defn(name=words.WORKFLOW)
class SessionWorkflow:
    """Work on what people say in a session, turn by turn; end when nobody has anything to say.

    What was said is in the record, in the order in which it came: here are ids and counters. A message only says that
    there is something to take up, so a repeated one, a lost one and a new Temporal do no harm.
    """

    @workflow.init
    def __init__(self, request: SessionInput) -> None:
        self._ref = SessionRef(request.tenant_id, request.session_id)
        self._taken = request.taken
        self._heard: set[str] = set()  # messages that no turn has taken up
        self._updates = self._looks = 0
        self._turn = 0
        self._is_woken = self._is_over = False

    @workflow.run
    async def run(self, request: SessionInput) -> None:
        """Live until nothing waits; the next message begins another life, from the record."""
        for worked in count():
            if worked == MOST_TURNS or self._is_full():
                break
            self._is_woken = False
            turn = await self._begin()
            if turn.number:
                await self._work(turn)
            elif not self._is_woken:
                self._is_over = True
                await workflow.wait_condition(workflow.all_handlers_finished)
                return
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(SessionInput(request.tenant_id, request.session_id, request.title, self._taken))

    @workflow.update(name=words.SAY_UPDATE)
    def say(self, said: Said) -> int:
        """Take up a message, now or after the turn under way; answers which turn that is, 0 for none."""
        self._updates += 1
        self._heard.add(said.message_id)
        self._is_woken = True
        return self._turn

    @say.validator
    def _may_say(self, said: Said) -> None:
        """Refuse what is of no use: `closed`, ask again; `stale`, a turn has it already; `busy`, enough waits."""
        if self._is_over:
            raise ApplicationError("The session's workflow is ending.", type=words.Refusal.CLOSED)
        if 0 < said.place <= self._taken:
            raise ApplicationError("A turn has taken this message up.", type=words.Refusal.STALE)
        if len(self._heard) >= MOST_WAITING:
            raise ApplicationError("So many messages wait already.", type=words.Refusal.BUSY)

    @workflow.signal(name=words.LOOK_SIGNAL)
    def look(self) -> None:
        """Look at the record: something about the session has changed."""
        self._looks += 1
        self._is_woken = True

    def _is_full(self) -> bool:
        """Whether this history has become long; between two turns is the place to begin a new one."""
        info = workflow.info()
        is_long = info.get_current_history_length() > MOST_EVENTS or info.get_current_history_size() > MOST_BYTES
        return is_long or self._updates >= MOST_UPDATES or info.is_continue_as_new_suggested()

    async def _begin(self) -> Turn:
        turn: Turn = await workflow.execute_local_activity(
            words.BEGIN,
            self._ref,
            result_type=Turn,
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary="take up what waits",
        )
        self._taken, self._turn = max(self._taken, turn.taken), turn.number
        self._heard.clear()
        return turn

    async def _work(self, turn: Turn) -> None:
        """One turn, from the model's first answer to its seal."""
        answered = await self._ask(turn, 1)
        for call in count(1):
            if answered.end is not None:
                return await self._seal(turn, answered)
            answered = await self._go_on(turn, call, answered)
        raise AssertionError

    async def _go_on(self, turn: Turn, call: int, answered: Answered) -> Answered:
        """Have everything used that an answer wants, and ask the model what comes next."""
        groups = list(_groups(answered.moves))
        last = groups.pop() if _end_alone(groups) and workflow.patched("uses-lead-on") else None
        for together in groups:
            await asyncio.gather(*(self._use(self._wanted(turn, call, answered, n), move) for n, move in together))
        if last is None:
            return await self._ask(turn, call + 1)
        place, move = last[0]
        return await self._use_then_ask(turn, self._wanted(turn, call, answered, place), move)

    def _wanted(self, turn: Turn, call: int, answered: Answered, place: int) -> UseInput:
        return UseInput(self._ref.tenant_id, self._ref.session_id, turn.number, call, place, answered.seq)

    async def _ask(self, turn: Turn, call: int, tried: int = 0) -> Answered:
        """Ask the model, once somebody decides where that is needed."""
        while True:
            looks = self._looks
            answered = await self._asked(turn, call, tried)
            if answered.waits_s is None:
                return answered
            await self._wait(looks, answered.waits_s)

    async def _asked(self, turn: Turn, call: int, tried: int) -> Answered:
        try:
            return await workflow.execute_activity(
                words.ASK,
                AskInput(self._ref.tenant_id, self._ref.session_id, turn.number, call, tried),
                result_type=Answered,
                summary=f"turn {turn.number}: ask the model, call {call}",
                start_to_close_timeout=policies.THINK,
                heartbeat_timeout=policies.THINK_HEARTBEAT,
                retry_policy=policies.ASK_RETRY,
            )
        except ActivityError as error:
            return Answered(end=TurnEnd.FAILED, error_type="Failed", error_message=str(error.cause or error)[:1000])

    async def _use(self, use: UseInput, move: Move) -> None:
        """Have one tool used, once somebody allows it or answers where that is needed. What came of it is on record."""
        while True:
            looks = self._looks
            used = await self._used(use, move)
            if used.waits_s is None:
                return
            await self._wait(looks, used.waits_s)

    async def _use_then_ask(self, turn: Turn, use: UseInput, move: Move) -> Answered:
        """The same, and ask the model what comes next: by itself where the use could not lead on to it."""
        while True:
            looks = self._looks
            onward = await self._led_on(use, move)
            if onward.waits_s is None:
                break
            await self._wait(looks, onward.waits_s)
        answered = onward.answered
        if answered is None:
            return await self._ask(turn, use.call + 1, onward.tried)
        if answered.waits_s is None:
            return answered
        await self._wait(looks, answered.waits_s)
        return await self._ask(turn, use.call + 1)

    async def _used(self, use: UseInput, move: Move) -> Used:
        """A brief use of a tool is one event here, any other six."""
        summary = policies.summary(f"turn {use.turn}: {move.tool}")
        if move.is_brief:
            return await workflow.execute_local_activity(
                words.USE,
                use,
                result_type=Used,
                summary=summary,
                start_to_close_timeout=policies.USE,
                retry_policy=policies.USE_RETRY,
            )
        return await workflow.execute_activity(
            words.USE,
            use,
            result_type=Used,
            summary=summary,
            start_to_close_timeout=policies.USE,
            heartbeat_timeout=policies.USE_HEARTBEAT,
            retry_policy=policies.USE_RETRY,
        )

    async def _led_on(self, use: UseInput, move: Move) -> Onward:
        """A use that is no brief one and the call after it are six events together, and twelve apart."""
        return await workflow.execute_activity(
            words.USE_THEN_ASK,
            use,
            result_type=Onward,
            summary=policies.summary(f"turn {use.turn}: {move.tool}, then ask the model, call {use.call + 1}"),
            start_to_close_timeout=policies.USE_THEN_THINK,
            heartbeat_timeout=policies.USE_HEARTBEAT,
            retry_policy=policies.USE_RETRY,
        )

    async def _wait(self, looks: int, seconds: float) -> None:
        """Wait until there is something to look at, which costs nothing."""
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._looks != looks, timeout=timedelta(seconds=seconds), timeout_summary="waits for a person"
            )

    async def _seal(self, turn: Turn, answered: Answered) -> None:
        end = answered.end or TurnEnd.FAILED
        ref = self._ref
        await workflow.execute_local_activity(
            words.SEAL,
            SealInput(ref.tenant_id, ref.session_id, turn.number, end, answered.error_type, answered.error_message),
            start_to_close_timeout=policies.RECORD,
            retry_policy=policies.RECORD_RETRY,
            summary=f"turn {turn.number}: {end}",
        )
        self._turn = 0


def _groups(moves: tuple[Move, ...]) -> Iterator[list[tuple[int, Move]]]:
    """What may come about together: neighbours that only read; everything else alone, in its order."""
    for only_reads, found in groupby(enumerate(moves), lambda each: each[1].only_reads):
        together = list(found)
        yield from ([together] if only_reads else ([each] for each in together))


def _end_alone(groups: Sequence[list[tuple[int, Move]]]) -> bool:
    """Whether what an answer wants ends in one use by itself that takes its time."""
    return bool(groups) and len(groups[-1]) == 1 and not groups[-1][0][1].is_brief
