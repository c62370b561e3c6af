"""What the model of a session may use: tools that are built in, and those of MCP servers."""

from collections.abc import Mapping, Sequence

from activities.errands import ERRANDS
from activities.shells import DESCRIBED, SHELL
from activities.tools import TOOLS, Tool
from activities.transcripts import Json
from windlass.contracts.ids import TenantId
from windlass.contracts.sessions import SessionSettings
from windlass.core.server_uses import Offer, Offers

MOST_TOOLS = 200


class Toolbox:
    """The tools of one session, by the names under which a model calls them."""

    def __init__(self, settings: SessionSettings, offers: Sequence[Offer]) -> None:
        wanted = settings.tools
        self._built_in = {name: tool for name, tool in TOOLS.items() if wanted is None or name in wanted}
        self._errands = {name: each for name, each in ERRANDS.items() if wanted is None or name in wanted}
        self.has_shell = wanted is None or SHELL in wanted
        self._offers: Mapping[str, Offer] = {offer.name: offer for offer in offers}

    def __len__(self) -> int:
        return len(self.described)

    @property
    def described(self) -> tuple[Json, ...]:
        """The tools as the provider wants them described."""
        built_in = (tool.described for tool in self._built_in.values())
        shell = (DESCRIBED,) if self.has_shell else ()
        return (*built_in, *shell, *self._errands.values(), *map(_described, self._offers.values()))

    def has(self, name: str) -> bool:
        """Whether there is a tool of that name."""
        return (
            name in self._built_in or name in self._offers or self.is_errand(name) or (name == SHELL and self.has_shell)
        )

    def built_in(self, name: str) -> Tool | None:
        """The built-in tool of that name."""
        return self._built_in.get(name)

    def is_errand(self, name: str) -> bool:
        """Whether it asks something of the house."""
        return name in self._errands

    def offered(self, name: str) -> Offer | None:
        """The tool of an MCP server that is called by that name."""
        return self._offers.get(name)

    def is_brief(self, name: str) -> bool:
        """Whether the tool does nothing but one short transaction of the record."""
        tool = self._built_in.get(name)
        return tool is not None and tool.is_brief

    def only_reads(self, name: str) -> bool:
        """Whether the tool may be used beside others like it."""
        tool, offer = self._built_in.get(name), self._offers.get(name)
        return (tool is not None and tool.only_reads) or (offer is not None and offer.only_reads)


async def opened_box(offers: Offers, tenant_id: TenantId, settings: SessionSettings) -> Toolbox:
    """The tools of a session as they stand now."""
    return Toolbox(settings, await offers.of(tenant_id, settings.mcp_servers))


def _described(offer: Offer) -> Json:
    schema = {**offer.tool.input_schema, "type": "object"}
    return {"name": offer.name, "description": offer.tool.description, "input_schema": schema}
