"""The address of a run's page: tab, filter, selected span and open rows all stand in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode
from uuid import UUID

from api.pages.scale import Stretch
from api.pages.waterfall import Look, Row

TABS = ("timeline", "events", "output", "files", "inputs", "cost")


@dataclass(frozen=True, slots=True)
class RunAddress:
    """One view of one run; its methods are the addresses that lead on from it."""

    id: UUID
    shown: str = "timeline"
    look: Look = field(default_factory=Look)
    kinds: str = ""
    query: str = ""
    after: int | None = None
    together: bool = False

    @classmethod
    def read(cls, run_id: UUID, query: Mapping[str, str]) -> "RunAddress":
        """The view a query string asks for; what makes no sense is left out."""
        look = Look(
            opened=names(query.get("open", "")),
            closed=names(query.get("shut", "")),
            fold=query.get("fold") != "off",
            start=number(query.get("from")),
            end=number(query.get("to")),
            selected=query.get("span", "")[:20],
            first=query.get("row", "")[:20],
        )
        tab = query.get("tab", "timeline")
        after = query.get("after", "")
        return cls(
            run_id,
            tab if tab in TABS else "timeline",
            look,
            query.get("kinds", "")[:20],
            query.get("q", "")[:200],
            int(after) if after.isdecimal() and len(after) < 16 else None,
            query.get("try") == "both",
        )

    @property
    def path(self) -> str:
        """The run's own address."""
        return f"/runs/{self.id}"

    @property
    def query_string(self) -> str:
        """Everything but the path."""
        look = self.look
        pairs = {
            "tab": "" if self.shown == "timeline" else self.shown,
            "span": look.selected,
            "row": look.first,
            "open": ".".join(sorted(look.opened)),
            "shut": ".".join(sorted(look.closed)),
            "fold": "" if look.fold else "off",
            "from": "" if look.start is None else f"{look.start:g}",
            "to": "" if look.end is None else f"{look.end:g}",
            "kinds": self.kinds,
            "q": self.query,
            "try": "both" if self.together else "",
        }
        return urlencode({name: text for name, text in pairs.items() if text})

    def __str__(self) -> str:
        query = self.query_string
        return f"{self.path}?{query}" if query else self.path

    def tab(self, name: str) -> str:
        """The same run under another tab."""
        return str(replace(self, shown=name, kinds="", query=""))

    def filter(self, kinds: str) -> str:
        """The same, with the log showing one group of kinds."""
        return str(replace(self, kinds=kinds))

    def both(self) -> str:
        """All tries of the run on one axis."""
        return str(replace(self, together=True))

    def toggle(self, row: Row) -> str:
        """The same, with a row opened, from itself on where the rows are many, or closed."""
        opened, closed, first = self.look.opened - {row.id}, self.look.closed - {row.id}, self.look.first
        if row.twisty == "open":
            closed |= {row.id}
        else:
            opened, first = opened | {row.id}, row.id
        return str(replace(self, look=replace(self.look, opened=opened, closed=closed, first=first)))

    def at(self, first: str) -> str:
        """The same, drawn from a row on; with nothing, the newest rows."""
        return str(replace(self, look=replace(self.look, first=first)))

    def select(self, row: Row) -> str:
        """The same, with a row selected, or no more."""
        chosen = "" if row.selected else row.id
        return str(replace(self, look=replace(self.look, selected=chosen)))

    def unselect(self) -> str:
        """The same with nothing selected."""
        return str(replace(self, look=replace(self.look, selected="")))

    def fold(self) -> str:
        """The same with quiet time folded, or drawn out."""
        return str(replace(self, look=replace(self.look, fold=not self.look.fold)))

    def zoom(self, stretch: Stretch | None) -> str:
        """The same with a stretch of time over the whole axis; without one all of it."""
        start, end = (round(stretch.start, 3), round(stretch.end, 3)) if stretch else (None, None)
        return str(replace(self, look=replace(self.look, start=start, end=end)))

    def events(self, after: int) -> str:
        """The events after a seq, of the kinds that are shown."""
        kinds = f"&kinds={self.kinds}" if self.kinds else ""
        return f"{self.path}?tab=events&after={after}{kinds}"

    def event(self, seq: int) -> str:
        """An event among its neighbours."""
        return f"{self.path}?tab=events&after={max(0, seq - 20)}#e{seq}"


def names(text: str) -> frozenset[str]:
    """The row names of an address."""
    return frozenset(name for name in text[:4000].split(".") if name)


def number(text: str | None) -> float | None:
    """A number of an address, None when it is none."""
    try:
        found = float(text) if text else None
    except ValueError:
        return None
    return found if found is not None and 0 <= found < 1e9 else None
