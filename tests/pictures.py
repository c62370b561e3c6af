"""The pictures of the documentation, taken anew: `make pictures`.

A stack of its own, a few runs of the examples, and one whose process is killed in the middle: what is shown happened.
Needs Chromium, and takes about a minute.
"""

import asyncio
import io
import json
import os
import secrets
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright._impl._api_structures import SetCookieParam, ViewportSize
from playwright.async_api import Browser

from stack.demo import EMAIL, ROOT, Stage, standing
from stack.ports import free_port
from tests.chromium import running_chromium
from windlass.core.settings import Settings

FOLDER = ROOT / "docs" / "images"
WIDE, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
STEPS, KILLED_IN, SHOWN_IN = 60, "step 8", "step 11"  # of many more, so that it goes on until the last picture is taken
TEXT = str(ROOT / "examples" / "hello" / "moby-dick.txt")
DONE = (
    ("hello/count", {"path": TEXT, "chunk_lines": 40}, "Moby Dick, first chapters"),
    ("hello/greet", {"name": "Jonas"}, "Welcome, Jonas Weber"),
    ("claude", {"prompt": "Why did the rate change?"}, "Why the rate changed"),
    ("hello/greet", {"name": "Mei"}, "Welcome, Mei Tanaka"),
    ("hello/count", {"path": "/srv/nothing-there.txt", "chunk_lines": 40}, "Fleet mileage, October"),
)
LIVE = (
    ("hello/steps", {"n": 400, "seconds": 3}, "Rates refresh, all carriers"),
    ("hello/steps", {"n": STEPS, "seconds": 2}, "Carrier invoices, week 46"),
)
RATES = """carrier: Kestrel
fuel_surcharge: 0.142
express_factor: 1.80
currency: EUR
"""
TALK = (  # what is said, and how the answer ends that is waited for
    ("Keep our carrier rates in this workspace, in a file that people can read.", "one line for each."),
    ("The fuel surcharge rises to 15.1 % on Monday. Change it, and publish the rates when I have seen them.", "I ask."),
)
ANSWERS = (
    {"text": "I write them down.", "tools": [{"name": "write", "input": {"path": "rates/eu.yaml", "content": RATES}}]},
    {"text": "The rates are in `rates/eu.yaml`, one line for each."},
    {
        "text": "I look where the surcharge stands, and change it there.",
        "tools": [
            {"name": "search", "input": {"pattern": "surcharge"}},
            {
                "name": "edit",
                "input": {"path": "rates/eu.yaml", "old_str": "surcharge: 0.142", "new_str": "surcharge: 0.151"},
            },
        ],
    },
    {
        "text": "Before I publish them I check that the file is whole.",
        "tools": [{"name": "read", "input": {"path": "rates/eu.yaml"}}],
    },
    {
        "text": "One line differs, the factor of express is as it was. Publishing leaves this workspace, so I ask.",
        "tools": [{"name": "save_artifact", "input": {"path": "rates/eu.yaml", "name": "rates-week-48.yaml"}}],
    },
)
PATIENCE_S = 120.0


def main() -> None:
    """Take them all, from a stack that is removed afterwards."""
    home = Settings.load().home
    stage = Stage(home.with_name(f"{home.name}-pictures"), free_port(), secrets.token_urlsafe(9))
    os.environ["WINDLASS_NODE"] = "production"  # what the rail calls the installation
    with standing(stage):
        asyncio.run(take(stage))


async def take(stage: Stage) -> None:
    """Let things happen, and take the pictures of them."""
    async with running_chromium() as browser, httpx.AsyncClient(base_url=stage.url, timeout=30) as http:
        await settle_in(http, stage)
        run, session = await work(http), await talk(http)
        cookie = await signed_in(http, stage)
        for name, path, view, theme in (
            ("run-dark", f"/runs/{run}", WIDE, "dark"),
            ("run-light", f"/runs/{run}", WIDE, "light"),
            ("run-phone", f"/runs/{run}", PHONE, "dark"),
            ("session-dark", f"/sessions/{session}", WIDE, "dark"),
            ("session-light", f"/sessions/{session}", WIDE, "light"),
            ("home", "/", WIDE, "dark"),
        ):
            theirs = SetCookieParam(name="windlass_theme", value=theme, url=stage.url)
            await shoot(browser, f"{stage.url}{path}", FOLDER / f"{name}.png", view, [cookie, theirs])


async def settle_in(http: httpx.AsyncClient, stage: Stage) -> None:
    """Somebody with a name, in an organisation with a name, and services that are up."""
    answer = await http.post("/v1/auth/login", json={"email": EMAIL, "password": stage.password})
    http.headers["authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
    tenant = answer.json()["tenant"]["id"]
    (await http.patch("/v1/me", json={"name": "Ana Ruiz"})).raise_for_status()
    (await http.patch(f"/v1/tenants/{tenant}", json={"name": "Kestrel Freight"})).raise_for_status()
    for name in ("hello", "approval"):
        wish = {"name": name, "project": str(ROOT / "examples" / name), "import_path": "app:app"}
        (await http.post("/v1/services", json=wish)).raise_for_status()
        await wait(http, f"/v1/services/{name}", lambda service: service["state"] == "running")


async def work(http: httpx.AsyncClient) -> str:
    """Runs that have ended, one that asks, one that goes on, and one that is killed in the middle: its id."""
    for wish in DONE:
        run = await started(http, *wish)
        await wait(http, f"/v1/runs/{run}", lambda run: run["ended_at"] is not None)
    agents = (await http.get("/v1/agents")).raise_for_status().json()["items"]
    asking = next(agent["name"] for agent in agents if agent["service"] == "approval")
    await started(http, asking, {"name": "week 46"}, "Supplier onboarding, Brno")
    runs = [await started(http, *wish) for wish in LIVE]
    await wait(http, f"/v1/runs/{runs[-1]}/steps", lambda steps: is_at(steps, KILLED_IN))
    host = (await http.get("/v1/services/hello")).json()["pid"]
    os.kill(host, signal.SIGKILL)
    await wait(http, f"/v1/runs/{runs[-1]}/steps", lambda steps: is_at(steps, SHOWN_IN))
    return runs[-1]


async def talk(http: httpx.AsyncClient) -> str:
    """A session whose second turn asks somebody to allow what it would do: its id."""
    wish = {
        "title": "Fuel surcharge, week 48",
        "system": f"You keep the rates. <standin>{json.dumps(ANSWERS)}</standin>",
        "policy": [{"action": "ask", "tool": "save_artifact"}],
        "budget_usd": 5,
    }
    session = (await http.post("/v1/sessions", json=wish)).raise_for_status().json()["id"]
    for content, ends in TALK:
        (await http.post(f"/v1/sessions/{session}/messages", json={"content": content})).raise_for_status()
        await wait(http, f"/v1/sessions/{session}/messages", partial(is_said, ends))
    await wait(http, "/v1/questions", lambda asked: any(each["kind"] == "approval" for each in asked["items"]))
    return session


def is_said(words: str, messages: Any) -> bool:
    """Whether an answer has these words."""
    return any(words in json.dumps(each) for each in messages["items"])


def is_at(steps: Any, name: str) -> bool:
    """Whether a step has begun."""
    return any(step["name"] == name for step in steps["items"])


async def started(http: httpx.AsyncClient, agent: str, inputs: dict[str, Any], title: str) -> str:
    """Start a run and answer its id."""
    answer = await http.post("/v1/runs", json={"agent": agent, "inputs": inputs, "title": title})
    return answer.raise_for_status().json()["id"]


async def wait(http: httpx.AsyncClient, path: str, is_so: Callable[[Any], bool]) -> None:
    """Ask until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so((await http.get(path)).raise_for_status().json()):  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.1)


async def signed_in(http: httpx.AsyncClient, stage: Stage) -> SetCookieParam:
    """The cookie of a browser."""
    body = {"email": EMAIL, "password": stage.password, "web": True}
    answer = await http.post("/v1/auth/login", json=body, headers={"origin": stage.url})
    ((name, value),) = answer.raise_for_status().cookies.items()
    return SetCookieParam(name=name, value=value, url=stage.url, httpOnly=True, sameSite="Lax")


async def shoot(browser: Browser, url: str, path: Path, viewport: ViewportSize, cookies: list[SetCookieParam]) -> None:
    """One page as it stands, in 256 colours."""
    context = await browser.new_context(viewport=viewport, locale="en-GB", timezone_id="Europe/Berlin")
    await context.add_cookies(cookies)
    page = await context.new_page()
    await page.goto(url)
    await page.reload()  # now the server knows the zone
    await page.wait_for_function("document.querySelector('#stream')?.textContent.includes('Live')")
    with Image.open(io.BytesIO(await page.screenshot())) as whole:
        whole.convert("RGB").quantize(256).save(path, optimize=True)
    await context.close()


if __name__ == "__main__":
    main()
