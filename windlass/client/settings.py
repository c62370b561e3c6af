"""Settings of the organisation as both clients offer them."""

from datetime import datetime

from windlass.client.calls import Call, nothing, segment
from windlass.client.desktops import Sends, SendsAsync
from windlass.client.records import Page, Record

PATH = "/v1/settings"


class Setting(Record):
    """A setting as it holds for the organisation; `is_own`: it set that itself, else the installation did."""

    name: str
    value: int = 0
    unit: str = ""
    least: int = 0
    most: int = 0
    summary: str = ""
    is_own: bool = False
    installation: int = 0
    changed_at: datetime | None = None
    changed_by: str = ""


def list_settings() -> Call[Page[Setting]]:
    """All settings of the organisation."""
    return Call("GET", PATH, Page[Setting].model_validate)


def put_setting(name: str, value: int) -> Call[Setting]:
    """Set one."""
    return Call("PUT", f"{PATH}/{segment(name)}", Setting.model_validate, {"value": value})


def reset_setting(name: str) -> Call[None]:
    """Have the installation's hold again."""
    return Call("DELETE", f"{PATH}/{segment(name)}", nothing)


class Settings:
    """What the organisation sets for itself."""

    def __init__(self, client: Sends) -> None:
        self._client = client

    def list(self) -> Page[Setting]:
        """All settings, and where each comes from."""
        return self._client.send(list_settings())

    def put(self, name: str, value: int) -> Setting:
        """Set one, from now on."""
        return self._client.send(put_setting(name, value))

    def reset(self, name: str) -> None:
        """Have the installation's hold again."""
        self._client.send(reset_setting(name))


class AsyncSettings:
    """What the organisation sets for itself, awaited."""

    def __init__(self, client: SendsAsync) -> None:
        self._client = client

    async def list(self) -> Page[Setting]:
        """All settings, and where each comes from."""
        return await self._client.send(list_settings())

    async def put(self, name: str, value: int) -> Setting:
        """Set one, from now on."""
        return await self._client.send(put_setting(name, value))

    async def reset(self, name: str) -> None:
        """Have the installation's hold again."""
        await self._client.send(reset_setting(name))
