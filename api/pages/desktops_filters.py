"""Which desktops the grid shows: by state and by owner, as the page's address says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from windlass.contracts.desktops import DesktopStatus
from windlass.core.callers import Caller
from windlass.core.desktops import Desktop

IN_HAND = "in-hand"
STATES = (  # in the order in which they are offered: address, word, shape
    (str(DesktopStatus.BUSY), "Busy", "running"),
    (str(DesktopStatus.IDLE), "Idle", "idle"),
    (IN_HAND, "In hand", "paused"),
    (str(DesktopStatus.STARTING), "Starting", "starting"),
    (str(DesktopStatus.PAUSED), "Paused", "paused"),
    (str(DesktopStatus.LOST), "Lost", "lost"),
    (str(DesktopStatus.OFFLINE), "Off", "offline"),
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A state to choose, and how many desktops are in it."""

    name: str
    shape: str
    count: int
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """What is chosen; empty means everything."""

    status: str = ""
    owner: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether anything is chosen."""
        return bool(self.status or self.owner)

    def url(self, **changes: str) -> str:
        """The page with these choices changed."""
        chosen = {"status": self.status, "owner": self.owner} | changes
        query = urlencode({name: value for name, value in chosen.items() if value})
        return f"/desktops?{query}" if query else "/desktops"

    @property
    def query(self) -> str:
        """The choices as the live part of the page repeats them."""
        return self.url().removeprefix("/desktops").replace("?", "&")

    def mine(self, found: Sequence[Desktop], caller: Caller) -> list[Desktop]:
        """Those of the chosen owner."""
        return [each for each in found if not self.owner or each.owner == caller.person_id]

    def shown(self, found: Sequence[Desktop], caller: Caller) -> list[Desktop]:
        """Those that fit."""
        return [each for each in self.mine(found, caller) if not self.status or self.status == state_of(each)]

    def segments(self, found: Sequence[Desktop], caller: Caller) -> list[Segment]:
        """The states that somebody is in, and the one that is chosen."""
        states = [state_of(each) for each in self.mine(found, caller)]
        everything = Segment("All", "", len(states), self.url(status=""), not self.status)
        offered = [each for each in STATES if each[0] in states or each[0] == self.status]
        return [
            everything,
            *(
                Segment(word, shape, states.count(state), self.url(status=state), self.status == state)
                for state, word, shape in offered
            ),
        ]


def chosen(query: Mapping[str, str]) -> Filters:
    """What an address chooses; anything unknown chooses nothing."""
    status, owner = query.get("status", ""), query.get("owner", "")
    return Filters(status if status in {each[0] for each in STATES} else "", "me" if owner == "me" else "")


def state_of(desktop: Desktop) -> str:
    """The state it is counted in: who has its screen in hand comes before what it does."""
    return IN_HAND if desktop.holder is not None else str(desktop.status)
