"""Desktops as both clients offer them."""

from typing import Any, Protocol, TypeVar

import httpx

from windlass.client import calls, desktop_skills
from windlass.client import desktop_templates as furniture
from windlass.client.calls import Call, RunOptions
from windlass.client.records import Desktop, DesktopSkill, DesktopTemplate, Json, Page, Run, Screenshot

T = TypeVar("T")


class Sends(Protocol):
    """What sends a call and waits for its answer."""

    def send(self, call: Call[T]) -> T:
        """Send a call."""
        ...


class SendsAsync(Protocol):
    """What sends a call, awaited."""

    async def send(self, call: Call[T]) -> T:
        """Send a call."""
        ...


class Desktops:
    """Containers with a screen."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def list(self) -> Page[Desktop]:
        """The desktops one may see."""
        return self._client.send(calls.list_desktops())

    def get(self, desktop_id: str) -> Desktop:
        """A desktop and how it is."""
        return self._client.send(calls.get_desktop(desktop_id))

    def create(self, name: str | None = None, template: str | None = None) -> Desktop:
        """Have a desktop made and return at once."""
        return self._client.send(calls.create_desktop(name, template))

    def start(self, desktop_id: str) -> Desktop:
        """Have a desktop on again, with the home it had."""
        return self._client.send(calls.change_desktop(desktop_id, "start"))

    def stop(self, desktop_id: str) -> Desktop:
        """Shut a desktop down; its home stays."""
        return self._client.send(calls.change_desktop(desktop_id, "stop"))

    def pause(self, desktop_id: str) -> Desktop:
        """Freeze a desktop as it is."""
        return self._client.send(calls.change_desktop(desktop_id, "pause"))

    def resume(self, desktop_id: str) -> Desktop:
        """Let a paused desktop go on."""
        return self._client.send(calls.change_desktop(desktop_id, "resume"))

    def take_over(self, desktop_id: str) -> Desktop:
        """Take the screen in hand; no task begins until it is given back."""
        return self._client.send(calls.change_desktop(desktop_id, "takeover"))

    def give_back(self, desktop_id: str, note: str = "") -> Desktop:
        """Give the screen back; the note is told to the model that goes on."""
        return self._client.send(calls.change_desktop(desktop_id, "giveback", {"note": note} if note else None))

    def ask_back(self, desktop_id: str) -> Desktop:
        """Ask whoever has the screen to give it back."""
        return self._client.send(calls.change_desktop(desktop_id, "askback"))

    def give(self, desktop_id: str, script: str | bytes, options: RunOptions | None = None) -> Run:
        """Queue a script; it is a run like any other."""
        return self._client.send(calls.give_task(desktop_id, script, options or RunOptions()))

    def ask(self, desktop_id: str, prompt: str, options: RunOptions | None = None, **limits: Any) -> Run:
        """Queue a prompt that a model works on: `model`, `max_actions`, `max_cost_usd` limit it."""
        return self._client.send(calls.ask_desktop(desktop_id, prompt, options or RunOptions(), limits))

    def tasks(self, desktop_id: str) -> Page[Run]:
        """The newest tasks."""
        return self._client.send(calls.list_tasks(desktop_id))

    def screenshot(self, desktop_id: str) -> Screenshot:
        """The screen as it is, looked at once in 30 seconds. Raises ApiError (409) while nobody has seen it."""
        return self._client.send(calls.desktop_screenshot(desktop_id))

    def picture(self, screenshot: Screenshot) -> bytes:
        """The picture itself, as WebP."""
        call = calls.picture(screenshot.url)
        if call is not None:
            return self._client.send(call)
        return httpx.get(screenshot.url).raise_for_status().content

    def screenshots(self, desktop_id: str, run_id: str) -> Page[Screenshot]:
        """The screen in the course of a task, the oldest first."""
        return self._client.send(calls.task_screenshots(desktop_id, run_id))

    def delete(self, desktop_id: str) -> None:
        """Delete a desktop with its home."""
        self._client.send(calls.delete_desktop(desktop_id))

    def templates(self) -> Page[DesktopTemplate]:
        """The templates one may choose from."""
        return self._client.send(furniture.list_templates())

    def template(self, name: str) -> DesktopTemplate:
        """A template."""
        return self._client.send(furniture.get_template(name))

    def put_template(self, name: str, made_of: Json, if_match: str | None = None) -> DesktopTemplate:
        """Write a template down, whole; with the etag of what was read nothing else is overwritten."""
        return self._client.send(furniture.put_template(name, made_of, if_match))

    def delete_template(self, name: str) -> None:
        """Delete one of the organisation's own."""
        self._client.send(furniture.delete_template(name))

    def skills(self) -> Page[DesktopSkill]:
        """What models are told before they work in a desktop, in this order."""
        return self._client.send(desktop_skills.list_skills())

    def skill(self, name: str) -> DesktopSkill:
        """A skill."""
        return self._client.send(desktop_skills.get_skill(name))

    def put_skill(self, name: str, text: str) -> DesktopSkill:
        """Write a skill down, or another in its place."""
        return self._client.send(desktop_skills.put_skill(name, text))

    def delete_skill(self, name: str) -> None:
        """Delete a skill."""
        self._client.send(desktop_skills.delete_skill(name))


class AsyncDesktops:
    """Containers with a screen, awaited."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def list(self) -> Page[Desktop]:
        """The desktops one may see."""
        return await self._client.send(calls.list_desktops())

    async def get(self, desktop_id: str) -> Desktop:
        """A desktop and how it is."""
        return await self._client.send(calls.get_desktop(desktop_id))

    async def create(self, name: str | None = None, template: str | None = None) -> Desktop:
        """Have a desktop made and return at once."""
        return await self._client.send(calls.create_desktop(name, template))

    async def start(self, desktop_id: str) -> Desktop:
        """Have a desktop on again, with the home it had."""
        return await self._client.send(calls.change_desktop(desktop_id, "start"))

    async def stop(self, desktop_id: str) -> Desktop:
        """Shut a desktop down; its home stays."""
        return await self._client.send(calls.change_desktop(desktop_id, "stop"))

    async def pause(self, desktop_id: str) -> Desktop:
        """Freeze a desktop as it is."""
        return await self._client.send(calls.change_desktop(desktop_id, "pause"))

    async def resume(self, desktop_id: str) -> Desktop:
        """Let a paused desktop go on."""
        return await self._client.send(calls.change_desktop(desktop_id, "resume"))

    async def take_over(self, desktop_id: str) -> Desktop:
        """Take the screen in hand; no task begins until it is given back."""
        return await self._client.send(calls.change_desktop(desktop_id, "takeover"))

    async def give_back(self, desktop_id: str, note: str = "") -> Desktop:
        """Give the screen back; the note is told to the model that goes on."""
        return await self._client.send(calls.change_desktop(desktop_id, "giveback", {"note": note} if note else None))

    async def ask_back(self, desktop_id: str) -> Desktop:
        """Ask whoever has the screen to give it back."""
        return await self._client.send(calls.change_desktop(desktop_id, "askback"))

    async def give(self, desktop_id: str, script: str | bytes, options: RunOptions | None = None) -> Run:
        """Queue a script; it is a run like any other."""
        return await self._client.send(calls.give_task(desktop_id, script, options or RunOptions()))

    async def ask(self, desktop_id: str, prompt: str, options: RunOptions | None = None, **limits: Any) -> Run:
        """Queue a prompt that a model works on: `model`, `max_actions`, `max_cost_usd` limit it."""
        return await self._client.send(calls.ask_desktop(desktop_id, prompt, options or RunOptions(), limits))

    async def tasks(self, desktop_id: str) -> Page[Run]:
        """The newest tasks."""
        return await self._client.send(calls.list_tasks(desktop_id))

    async def screenshot(self, desktop_id: str) -> Screenshot:
        """The screen as it is, looked at once in 30 seconds. Raises ApiError (409) while nobody has seen it."""
        return await self._client.send(calls.desktop_screenshot(desktop_id))

    async def picture(self, screenshot: Screenshot) -> bytes:
        """The picture itself, as WebP."""
        call = calls.picture(screenshot.url)
        if call is not None:
            return await self._client.send(call)
        async with httpx.AsyncClient() as elsewhere:
            return (await elsewhere.get(screenshot.url)).raise_for_status().content

    async def screenshots(self, desktop_id: str, run_id: str) -> Page[Screenshot]:
        """The screen in the course of a task, the oldest first."""
        return await self._client.send(calls.task_screenshots(desktop_id, run_id))

    async def delete(self, desktop_id: str) -> None:
        """Delete a desktop with its home."""
        await self._client.send(calls.delete_desktop(desktop_id))

    async def templates(self) -> Page[DesktopTemplate]:
        """The templates one may choose from."""
        return await self._client.send(furniture.list_templates())

    async def template(self, name: str) -> DesktopTemplate:
        """A template."""
        return await self._client.send(furniture.get_template(name))

    async def put_template(self, name: str, made_of: Json, if_match: str | None = None) -> DesktopTemplate:
        """Write a template down, whole; with the etag of what was read nothing else is overwritten."""
        return await self._client.send(furniture.put_template(name, made_of, if_match))

    async def delete_template(self, name: str) -> None:
        """Delete one of the organisation's own."""
        await self._client.send(furniture.delete_template(name))

    async def skills(self) -> Page[DesktopSkill]:
        """What models are told before they work in a desktop, in this order."""
        return await self._client.send(desktop_skills.list_skills())

    async def skill(self, name: str) -> DesktopSkill:
        """A skill."""
        return await self._client.send(desktop_skills.get_skill(name))

    async def put_skill(self, name: str, text: str) -> DesktopSkill:
        """Write a skill down, or another in its place."""
        return await self._client.send(desktop_skills.put_skill(name, text))

    async def delete_skill(self, name: str) -> None:
        """Delete a skill."""
        await self._client.send(desktop_skills.delete_skill(name))
