"""Prompt tasks: one thing after the other is done in a desktop, each at most once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.actions import HARMLESS, Action, BadAction, do
from activities.beats import beating
from activities.cameras import Camera
from activities.containers import DesktopEnded, Hands, Screens, Scripts, Why
from activities.editor import ShellFiles, edited
from activities.shell import Shell, ShellLost
from activities.transcripts import BASH, COMPUTER, EDITOR, calls
from windlass.contracts import prompts as words
from windlass.contracts.events import Event, EventKind, NewEvent, Payload
from windlass.contracts.ids import RunId, TenantId
from windlass.contracts.prompts import ActInput, PrepareInput
from windlass.core.artifacts import Artifacts
from windlass.core.events import PAGE, Events
from windlass.core.executions import Executions
from windlass.core.machines import Hand, Machines
from windlass.core.skills import Skills

PARTS = ("run", "list", "read", "write")  # of a use of the shell or the editor
SETTLE_S = 0.5  # until the screen shows what an action did
PLACES = 1000  # of one turn
AGAIN = "This action may have happened before an interruption. It was not repeated: look at the screen."
TAKEN = "A person had the screen since you last looked. This was not done: look at the screen."
NOTE = "A person had the screen since you last looked, and says: {}"
IN_HAND_AGAIN = timedelta(seconds=1)
GONE = "The desktop ended{}. What was done in it by then is done; the task does not go on."

HEADING, SHARED = "## skills/", "## organisation/"
SKILLS = """cd ~/skills 2>/dev/null || exit 0
for skill in *.md; do
  [ -f "$skill" ] && printf '## skills/%s\\n\\n' "$skill" && head -c 8000 "$skill" && echo
done | head -c 24000"""

Password = Callable[[str, int], str]


@dataclass(frozen=True, slots=True)
class Body:
    """What acting needs of the world."""

    executions: Executions
    events: Events
    artifacts: Artifacts
    screens: Screens
    scripts: Scripts
    camera: Camera
    password: Password
    machines: Machines
    why: Why
    skills: Skills


class DeedActivities:
    """Does in desktops what models ask for; one object per worker process."""

    def __init__(self, body: Body) -> None:
        self._body = body

    @activity.defn(name=words.PREPARE)
    async def prepare(self, request: PrepareInput) -> None:
        """Put the skills of the organisation and then the desktop's into the run's log, for the model.

        The second time nothing changes: a task goes on with what it was told.
        """
        tenant_id, run_id = TenantId(UUID(request.tenant_id)), RunId(UUID(request.run_id))
        shell = Shell(self._body.scripts, request.desktop_id, f"{request.run_id}-skills")
        async with beating():
            try:
                _, written, _ = await shell.run("read", SKILLS)
            except ShellLost as lost:
                raise await self._gone(tenant_id, request.desktop_id) from lost
            own = await self._body.skills.of(tenant_id)
            told = [f"{SHARED}{skill.name}.md\n\n{skill.text}\n" for skill in own]
            names = [f"organisation/{skill.name}.md" for skill in own]
            if written.strip():
                told.append(written)
                names += [line[3:] for line in written.splitlines() if line.startswith(HEADING)]
            if told:
                text = f"Skills: {', '.join(names)}"[:1000]
                said: Payload = {"level": "info", "text": text, "skills": "\n".join(told)}
                folded = await self._body.artifacts.fold(tenant_id, run_id, said)
                event = NewEvent(EventKind.LOG, folded, "hands", 1)
                await self._body.executions.append(tenant_id, run_id, None, [event])
            await shell.forget()

    @activity.defn(name=words.ACT)
    async def act(self, request: ActInput) -> None:
        """Do one thing and record what came of it. While a person has the screen it waits.

        The second time what may have happened is not done again: the answer is the screen as it is then. A command
        goes on where it is, and is begun once.
        """
        async with beating():
            try:
                await Deed(self._body, request).carry_out()
            except (DesktopEnded, ShellLost) as ended:
                raise await self._gone(TenantId(UUID(request.tenant_id)), request.desktop_id) from ended

    async def _gone(self, tenant_id: TenantId, desktop_id: str) -> ApplicationError:
        why = await self._body.why(tenant_id, UUID(desktop_id))
        return ApplicationError(GONE.format(f": {why}" if why else ""), type="DesktopLost", non_retryable=True)


class Deed:
    """One thing that a model wants done."""

    def __init__(self, body: Body, request: ActInput) -> None:
        self._body, self._request = body, request
        self._tenant_id, self._run_id = TenantId(UUID(request.tenant_id)), RunId(UUID(request.run_id))
        self._place = PLACES * request.turn + 2 * request.place
        self._id = f"{request.run_id}-{request.turn}-{request.place}"
        self._thought_at = datetime.min.replace(tzinfo=UTC)

    async def carry_out(self) -> None:
        """Do it, unless its outcome is on record. Raises DesktopEnded, ShellLost, EngineAway, ScreenAway."""
        hand = await self._free_hand()
        call = await self._call()
        given: dict[str, Any] = call.get("input") or {}
        if call["name"] == COMPUTER:
            await self._use_screen(call, Action(given), hand)
            return
        shell = Shell(self._body.scripts, self._request.desktop_id, self._id)
        if not await self._claim(call) and await self._is_recorded():
            await shell.forget(*PARTS)
            return
        if call["name"] == BASH:
            outcome, text = await shell.ran(given)
        elif call["name"] == EDITOR:
            outcome, text = await edited(ShellFiles(shell), given)
        else:
            outcome, text = "failed", f"There is no tool {call['name']}."
        await self._record(call, outcome, self._with_note(text, hand))
        await shell.forget()

    async def _free_hand(self) -> Hand:
        """When a person last had the screen; while one has it nothing begins, and the action is tried again."""
        hand = await self._body.machines.hand(self._tenant_id, UUID(self._request.desktop_id))
        if hand.holder is None:
            return hand
        said = f"{hand.holder} has the screen."
        raise ApplicationError(
            said, type="InHand", next_retry_delay=IN_HAND_AGAIN, category=ApplicationErrorCategory.BENIGN
        )

    async def _use_screen(self, call: Payload, action: Action, hand: Hand) -> None:
        """Claim only once the screen answers: then nothing is claimed that cannot be done."""
        request, body = self._request, self._body
        password = body.password(request.desktop_id, request.generation)
        async with body.screens.sitting(request.desktop_id, request.generation, password) as hands:
            is_first = await self._claim(call)
            if not is_first and await self._is_recorded():
                return
            outcome, text = "done", ""
            if is_first and self._is_stale(hand) and action.name not in HARMLESS:
                outcome, text = "failed", TAKEN
            elif is_first or action.name in HARMLESS:
                outcome, text = await _done(action, hands)
            else:
                outcome, text = "unknown", AGAIN
            frame = await hands.settled(0.0 if action.name == "screenshot" else SETTLE_S)
        kept = await body.camera.keep(self._tenant_id, UUID(request.desktop_id), frame)
        await self._record(call, outcome, self._with_note(text, hand), None if kept is None else str(kept))

    def _is_stale(self, hand: Hand) -> bool:
        """Whether the model thought of it before somebody had the screen."""
        return hand.handed_at is not None and self._thought_at < hand.handed_at

    def _with_note(self, text: str, hand: Hand) -> str:
        """What the model is told, with what the person said who had the screen."""
        note = NOTE.format(hand.note) if hand.note and self._is_stale(hand) else ""
        return "\n".join(filter(None, (text, note)))

    async def _call(self) -> Payload:
        found = await self._body.events.read(self._tenant_id, self._run_id, self._request.seq - 1, 1)
        self._thought_at = found[0].at
        message = await self._body.artifacts.whole(self._tenant_id, found[0].payload)
        return calls(message)[self._request.place]

    async def _claim(self, call: Payload) -> bool:
        """Say that it is about to be done. False: that was said before, and it may have been done."""
        said: Payload = {
            "id": call["id"],
            "name": call["name"],
            "input": call.get("input") or {},
            "turn": self._request.turn,
        }
        return await self._append(EventKind.TOOL_CALL, said, self._place)

    async def _record(self, call: Payload, outcome: str, text: str, screenshot: str | None = None) -> None:
        said: Payload = {"id": call["id"], "name": call["name"], "outcome": outcome, "text": text}
        if screenshot is not None:
            said["screenshot"] = screenshot
        await self._append(EventKind.TOOL_RESULT, said, self._place + 1)

    async def _append(self, kind: EventKind, payload: Payload, place: int) -> bool:
        """Whether it is new in the log. Raises when the run has ended: then nothing more is done for it."""
        folded = await self._body.artifacts.fold(self._tenant_id, self._run_id, payload)
        event = NewEvent(kind, folded, "hands", place)
        stored = await self._body.executions.append(self._tenant_id, self._run_id, None, [event])
        if 0 not in stored:
            raise ApplicationError("The run has ended.", type="Ended", non_retryable=True)
        return stored[0].fresh

    async def _is_recorded(self) -> bool:
        """Whether its outcome is in the log; what came after the message is not much."""
        after, wanted = self._request.seq, (await self._call())["id"]
        found: list[Event] = await self._body.events.read(
            self._tenant_id, self._run_id, after, PAGE, [EventKind.TOOL_RESULT]
        )
        return any(event.payload.get("id") == wanted for event in found)


async def _done(action: Action, hands: Hands) -> tuple[str, str]:
    try:
        await do(action, hands)
    except BadAction as bad:
        return "failed", str(bad)
    return "done", ""
