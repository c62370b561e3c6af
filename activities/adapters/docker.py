"""Desktops as hardened containers of a Docker engine; the only place that knows it is Docker."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import IPv4Network
from typing import Any

import structlog

from activities.adapters import firewall, rfb
from activities.adapters.blueprints import (
    LABEL,
    bridge_name,
    container,
    container_name,
    network,
    network_name,
    ownership,
    subnets,
    volume_name,
)
from activities.adapters.engine import DockerEngine, EngineRefused, Program
from activities.adapters.gates import Gates, Outlet
from activities.containers import Blueprint, EngineAway, Found, NotMade, Progress, Standing
from windlass.contracts.desktops import Step
from windlass.core.egress import Way

PATIENCE_S = 20.0
GONE = 404
PASSWORD = "/tmp/.vnc-password"  # noqa: S105, S108 - where it stands in the container
MISSING = "the image {} is missing. Build it with `make desktop-image`."
STRANGE = "the image {} is not one of desktops: make it FROM windlass-desktop, and name its digest"
ELSEWHERE = "the image {} is not on this machine. Nothing is pulled: build or load it there"
RECIPE = "windlass.recipe"  # what our own image is labelled with, and what is made FROM it

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class DockerDesktops:
    """One container, one network and one volume a desktop, all named after it and labelled with whose they are."""

    def __init__(self, engine: DockerEngine, image: str, gates: Gates) -> None:
        self._engine, self._image, self._gates = engine, image, gates

    async def check(self) -> str:
        """Say which engine this is. Raises EngineAway, also when the image of desktops is missing."""
        version = await self._engine.ask("GET", "/version")
        try:
            await self._engine.ask("GET", f"/images/{self._image}/json")
        except EngineRefused as refusal:
            raise EngineAway(MISSING.format(self._image)) from refusal
        hole = await firewall.close()
        return f"Docker {version['Version']}" + (f", {hole}" if hole else "")

    async def bring_up(self, blueprint: Blueprint, progress: Progress) -> Standing:
        """Make the desktop, or adopt it as it runs, and wait for its screen. Raises NotMade, EngineAway."""
        name = container_name(blueprint.desktop_id)
        container = await self._inspect(name)
        if container is not None and not _is_usable(container, blueprint.generation):
            await self._delete_container(name)
            container = None
        if container is None:
            await self._create(name, blueprint)
        elif container["State"]["Paused"]:
            await self._engine.ask("POST", f"/containers/{name}/unpause")
        await progress(Step.MADE)
        await self._open_gate(blueprint)
        await self._ask_start(name)
        await progress(Step.UP)
        address = await self._screen(name, blueprint.password)
        container = await self._running(name)
        return Standing(container["Id"], address, container["Image"])

    async def freeze(self, desktop_id: str) -> None:
        """Stop the clock of everything in the desktop. Raises EngineAway."""
        name = container_name(desktop_id)
        await self._quietly("POST", f"/containers/{name}/pause", but={GONE, 409, 500})
        state = (await self._inspect(name) or {"State": {}})["State"]
        if state.get("Running") and not state["Paused"]:
            raise EngineAway("the engine could not pause it")  # one whose processes come and go may need another try

    async def shut_down(self, desktop_id: str) -> None:
        """End the container and its network; the home stays. Raises EngineAway."""
        name = container_name(desktop_id)
        await self._quietly("POST", f"/containers/{name}/unpause", but={GONE, 409, 500})
        await self._quietly("POST", f"/containers/{name}/stop", but={GONE, 304}, t="3")
        await self._delete_container(name)
        await self._gates.close(desktop_id)
        await self._quietly("DELETE", f"/networks/{network_name(desktop_id)}", but={GONE})

    async def remove(self, desktop_id: str) -> None:
        """Leave nothing of the desktop. Raises EngineAway."""
        await self._delete_container(container_name(desktop_id))
        await self._gates.close(desktop_id)
        await self._quietly("DELETE", f"/networks/{network_name(desktop_id)}", but={GONE})
        await self._quietly("DELETE", f"/volumes/{volume_name(desktop_id)}", but={GONE}, force="true")

    async def found(self, installation: str) -> list[Found]:
        """Everything of this installation in the engine. Raises EngineAway."""
        ours = json.dumps({"label": [f"{LABEL}.installation={installation}"]})
        containers, networks, volumes, holes = await asyncio.gather(
            self._engine.ask("GET", "/containers/json", all="true", filters=ours),
            self._engine.ask("GET", "/networks", filters=ours),
            self._engine.ask("GET", "/volumes", filters=ours),
            firewall.holes(installation),
        )
        found = [_found("container", each["Id"], each["Labels"], each["State"]) for each in containers]
        found += [_found("network", each["Name"], each["Labels"]) for each in networks]
        found += [_found("volume", each["Name"], each["Labels"]) for each in volumes["Volumes"] or ()]
        return found + [Found("hole", desktop_id, desktop_id) for desktop_id in holes]

    async def homes(self, installation: str) -> dict[str, int]:
        """How many bytes are in the home of each desktop, as the engine counts them. Raises EngineAway."""
        volumes: list[dict[str, Any]] = (await self._engine.ask("GET", "/system/df"))["Volumes"] or []
        mark = (f"{LABEL}.installation", installation)
        ours = [each for each in volumes if each["UsageData"] and mark in dict[str, str](each["Labels"] or ()).items()]
        return {each["Labels"][f"{LABEL}.desktop"]: each["UsageData"]["Size"] for each in ours}

    async def end(self, desktop_id: str, generation: int) -> None:
        """End the container of that generation, and leave it for the keeper. Raises EngineAway."""
        container = await self._inspect(container_name(desktop_id))
        if container is not None and _is_of(container, generation):
            await self._quietly("POST", f"/containers/{container['Id']}/kill", but={GONE, 409})

    async def open_gates(self, installation: str) -> None:
        """Have the ways out of every desktop that runs open, as after the death of whoever did. Raises EngineAway."""
        ours = json.dumps({"label": [f"{LABEL}.installation={installation}", f"{LABEL}.egress"]})
        found = await self._engine.ask("GET", "/containers/json", filters=ours)
        await self._gates.keep(outlet_of(each["Labels"], address_of(each), _prefix(each)) for each in found)

    async def discard(self, found: Found) -> None:
        """Remove one thing by force. Raises EngineAway."""
        if found.kind == "container":
            await self._delete_container(found.name)
        elif found.kind == "hole":
            await self._gates.close(found.desktop_id)
        elif found.kind == "network":
            await self._gates.close(found.desktop_id)
            await self._quietly("DELETE", f"/networks/{found.name}", but={GONE})
        else:
            await self._quietly("DELETE", f"/volumes/{found.name}", but={GONE, 409}, force="true")

    async def deaths(self, installation: str) -> AsyncIterator[str]:
        """The ids of desktops whose container ended, as it happens. Raises EngineAway."""
        filters = {"type": ["container"], "event": ["die"], "label": [f"{LABEL}.installation={installation}"]}
        async for event in self._engine.events(filters):
            yield event["Actor"]["Attributes"].get(f"{LABEL}.desktop", "")

    async def _create(self, name: str, blueprint: Blueprint) -> None:
        image = await self._image_of(blueprint)
        home = {"Name": volume_name(blueprint.desktop_id), "Labels": ownership(blueprint)}
        subnet, _ = await asyncio.gather(
            self._make_network(blueprint), self._engine.ask("POST", "/volumes/create", home)
        )
        try:
            await self._engine.ask("POST", "/containers/create", container(image, subnet, blueprint), name=name)
        except EngineRefused as refusal:
            if refusal.status == GONE:
                raise NotMade(MISSING.format(self._image)) from refusal
            if refusal.status != 409:  # it was made by a call whose answer was lost
                raise NotMade(f"the engine refused it: {refusal}") from refusal

    async def _open_gate(self, blueprint: Blueprint) -> None:
        """Have its ways out open before anything runs in it, and no others. Raises NotMade."""
        if not blueprint.template.egress:
            await self._gates.close(blueprint.desktop_id)
            return
        made = await self._engine.ask("GET", f"/networks/{network_name(blueprint.desktop_id)}")
        subnet = made["IPAM"]["Config"][0]["Subnet"]
        try:
            await self._gates.open(outlet_of(ownership(blueprint), *subnet.split("/")))
        except OSError as error:
            raise NotMade(f"its ways out could not be opened: {error}") from error

    async def _image_of(self, blueprint: Blueprint) -> str:
        """The image the template names, which must be one of desktops; else the installation's. Raises NotMade."""
        wanted = blueprint.template.image
        if not wanted:
            return self._image
        try:
            image = await self._engine.ask("GET", f"/images/{wanted}/json")
        except EngineRefused as refusal:
            raise NotMade(ELSEWHERE.format(wanted)) from refusal
        if RECIPE not in (image["Config"].get("Labels") or {}):
            raise NotMade(STRANGE.format(wanted))
        return wanted

    async def _make_network(self, blueprint: Blueprint) -> IPv4Network:
        """Have its network, and answer which addresses it has. Raises NotMade."""
        name, reason = network_name(blueprint.desktop_id), ""
        for subnet in subnets(blueprint.desktop_id):
            with suppress(EngineRefused):
                made = await self._engine.ask("GET", f"/networks/{name}")
                return IPv4Network(made["IPAM"]["Config"][0]["Subnet"])
            try:
                await self._engine.ask("POST", "/networks/create", network(blueprint, subnet))
            except EngineRefused as refusal:
                log.debug("a network was refused", subnet=subnet, reason=str(refusal))
                reason = str(refusal)
        raise NotMade(f"no network could be made for it: {reason}")

    async def _ask_start(self, name: str) -> None:
        try:
            await self._engine.ask("POST", f"/containers/{name}/start")  # 304: it runs
        except EngineRefused as refusal:
            raise NotMade(f"its container did not start: {refusal}") from refusal

    async def _screen(self, name: str, password: str) -> str:
        """Wait until the screen answers, and answer where; meanwhile it is given its password. Raises NotMade."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                address, _ = await asyncio.gather(self._address(name), self._lock(name, password))
        except TimeoutError:
            raise NotMade(f"its screen did not answer within {PATIENCE_S:g} s") from None
        return address

    async def _address(self, name: str) -> str:
        while True:
            address = address_of(await self._running(name))
            if address and await rfb.answers(address):
                return address
            await asyncio.sleep(0.03)

    async def _lock(self, name: str, password: str) -> None:
        """Write the screen's password where it is read at every sign-in: nobody gets in before. Raises NotMade."""
        words = ("sh", "-c", f"umask 077; cat > {PASSWORD}.part && mv {PASSWORD}.part {PASSWORD}")
        try:
            await self._engine.run(Program(name, words, rfb.password_file(password)))
        except EngineRefused:
            await self._running(name)  # why it does not run is told, if that is the reason
            raise

    async def _running(self, name: str) -> dict[str, Any]:
        container = await self._inspect(name)
        if container is None:
            raise NotMade("its container was removed while it started")
        if not container["State"]["Running"]:
            raise NotMade(f"its screen did not come up: {await self._last_words(name)}")
        return container

    async def _last_words(self, name: str) -> str:
        with suppress(EngineRefused):
            done = await self._engine.fetch("GET", f"/containers/{name}/logs", stdout="true", stderr="true", tail="5")
            lines = [line[8:].decode(errors="replace").strip() for line in done.splitlines()]
            return " / ".join(line for line in lines if line)[-500:] or "it said nothing"
        return "it is gone"

    async def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            return await self._engine.ask("GET", f"/containers/{name}/json")
        except EngineRefused as refusal:
            if refusal.status == GONE:
                return None
            raise

    async def _delete_container(self, name: str) -> None:
        await self._quietly("DELETE", f"/containers/{name}", but={GONE, 409}, force="true", v="true")

    async def _quietly(self, method: str, path: str, *, but: set[int], **query: str) -> None:
        try:
            await self._engine.ask(method, path, None, **query)
        except EngineRefused as refusal:
            if refusal.status not in but:
                raise


def outlet_of(labels: dict[str, str], address: str, prefix: str | int) -> Outlet:
    """The ways out of a desktop, as its labels say, in the network that has the address."""
    desktop_id = labels[f"{LABEL}.desktop"]
    return Outlet(
        labels[f"{LABEL}.installation"],
        desktop_id,
        bridge_name(desktop_id),
        IPv4Network(f"{address}/{prefix}", strict=False),
        tuple(Way.parse(each) for each in labels[f"{LABEL}.egress"].split(",")),
    )


def _is_usable(container: dict[str, Any], generation: int) -> bool:
    """Whether this is the wanted container and can still run: one that ended is made anew."""
    return _is_of(container, generation) and container["State"]["Status"] in ("created", "running", "paused")


def _is_of(container: dict[str, Any], generation: int) -> bool:
    return container["Config"]["Labels"].get(f"{LABEL}.generation") == str(generation)


def is_running(container: dict[str, Any], generation: int) -> bool:
    """Whether this is the wanted container, and it runs and is not paused."""
    return _is_of(container, generation) and container["State"]["Status"] == "running"


def address_of(container: dict[str, Any]) -> str:
    """Its address in the desktop's own network; empty while it has none."""
    networks = container["NetworkSettings"]["Networks"].values()
    return next((each["IPAddress"] for each in networks if each["IPAddress"]), "")


def _prefix(container: dict[str, Any]) -> int:
    networks = container["NetworkSettings"]["Networks"].values()
    return next((int(each["IPPrefixLen"]) for each in networks if each["IPAddress"]), 32)


def _found(kind: str, name: str, labels: dict[str, str], state: str = "") -> Found:
    return Found(kind, name, labels[f"{LABEL}.desktop"], int(labels.get(f"{LABEL}.generation", 0)), state)
