"""The log of a run as its component draws it."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.pages.addresses import RunAddress
from api.pages.formats import Viewer
from api.pages.lines import GROUPS, Line, line
from windlass.contracts.events import Event, EventKind

OPENS_WITH = 500  # lines
NAMES = (("All", ""), ("Output", "output"), ("Model", "model"), ("Steps", "steps"), ("Errors", "errors"))


@dataclass(frozen=True, slots=True)
class Log:
    """Lines, and the way to the others."""

    lines: tuple[Line, ...]
    total: int
    is_live: bool
    address: RunAddress
    first_seq: int

    @property
    def filters(self) -> tuple[tuple[str, str, str], ...]:
        """The groups of kinds: name, value and count (only errors are counted)."""
        return tuple((name, value, "") for name, value in NAMES)

    @property
    def filter(self) -> str:
        """The group that is shown."""
        return self.address.kinds

    def filter_url(self, value: str) -> str:
        """The same view with another group."""
        return self.address.filter(value)

    @property
    def query(self) -> str:
        """What is searched for."""
        return self.address.query

    @property
    def search_url(self) -> str:
        """Where the search goes without JavaScript."""
        return self.address.path

    @property
    def download_url(self) -> str:
        """The whole log as lines of JSON."""
        return f"{self.address.path}/events.jsonl"

    @property
    def earlier_url(self) -> str:
        """The page of events before these, under the tab of all events."""
        if self.address.query or self.first_seq <= 1:
            return ""
        return self.address.events(max(0, self.first_seq - 1 - OPENS_WITH))

    @property
    def later_url(self) -> str:
        """The page of events after these."""
        if self.address.query or len(self.lines) < OPENS_WITH:
            return ""
        return self.address.events(self.lines[-1].seq)

    @property
    def older_url(self) -> str:
        """The events before the first line."""
        if self.first_seq <= 1:
            return ""
        return self.address.events(max(0, self.first_seq - 1 - OPENS_WITH))


def log(events: Sequence[Event], total: int, viewer: Viewer, address: RunAddress, *, is_live: bool) -> Log:
    """The log over these events, the newest last."""
    first = events[0].seq if events else 1
    return Log(tuple(line(each, viewer, address.path) for each in events), total, is_live, address, first)


def kinds_of(group: str) -> list[EventKind] | None:
    """The kinds of a group, None for all."""
    return [EventKind(kind) for kind in GROUPS[group]] if group in GROUPS else None
