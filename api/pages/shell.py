"""The frame around every page: rail, crumbs, what the caller may do, how the viewer reads."""

from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

from api.pages.formats import Viewer, epoch_ms
from windlass.core.callers import Caller
from windlass.core.permissions import Permission

Crumb = tuple[str, str]  # name and address; the last one has none


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the rail."""

    name: str
    url: str
    icon: str
    count: str = ""
    bad: bool = False
    mine: bool = False
    current: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers in the rail."""

    live_runs: int = 0
    failed_services: int = 0
    needs: int = 0  # questions that wait for the caller
    sessions: int = 0  # with a turn under way
    desktops: int = 0  # with a task


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the console a page is: its rail entry, its crumbs and what it follows live."""

    entry: str
    crumbs: tuple[Crumb, ...]
    topics: tuple[str, ...] = ()
    view: str = ""  # the query string of the view, for the stream
    live: Literal["live", "done", ""] = ""
    seq: int = 0
    main_action: bool = False  # whether "Start run" is the page's one brass button


@dataclass(frozen=True, slots=True)
class Frame:
    """What the process and the request say about every page."""

    installation: str
    standin: bool
    csrf_token: str
    path: str
    tenants: tuple[tuple[str, str], ...] = ()
    toast: str = ""


@dataclass(frozen=True, slots=True)
class Shell:
    """The values of `layout.html`."""

    caller: Caller
    viewer: Viewer
    frame: Frame
    place: Place
    counts: Counts = field(default_factory=Counts)

    @property
    def theme(self) -> str | None:
        """The chosen theme, None to follow the system."""
        return self.viewer.theme

    @property
    def zone(self) -> str:
        """The zone every clock of the page is in."""
        return self.viewer.zone.key

    @property
    def now_ms(self) -> int:
        """The server's clock, so that the page's clocks agree with it."""
        return epoch_ms(self.viewer.now)

    @property
    def csrf(self) -> Markup:
        """The hidden field of every form that changes something."""
        return Markup('<input type="hidden" name="csrf_token" value="{}">').format(self.frame.csrf_token)

    @property
    def tenant(self) -> str:
        """The organisation."""
        return self.caller.tenant_name

    @property
    def person(self) -> str:
        """Who looks."""
        return self.caller.name

    @property
    def role(self) -> str:
        """What they are here."""
        return str(self.caller.role)

    @property
    def initials(self) -> str:
        """Two letters of the name."""
        return "".join(word[0] for word in self.caller.name.split()[:2]).upper()

    @property
    def may_start(self) -> bool:
        """Whether the caller may start runs."""
        return self.caller.may(Permission.RUNS_START)

    @property
    def may_open(self) -> bool:
        """Whether what is begun here is a session, and the caller may."""
        return self.place.entry == "Sessions" and self.caller.may(Permission.SESSIONS_WRITE)

    @property
    def stream_url(self) -> str:
        """The one stream of this page."""
        topics = ",".join(self.place.topics)
        view = f"&{self.place.view}" if self.place.view else ""
        return f"/ui/stream?topics={topics}&at={self.place.seq}{view}"

    @property
    def groups(self) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
        """The rail, without what the caller may not open."""
        may = self.caller.may
        counts = self.counts
        build = [self._entry("Agents", "/agents", "agents")]
        if may(Permission.SERVICES_READ):
            failed = str(counts.failed_services or "")
            build.append(self._entry("Services", "/services", "services", failed, bad=True))
        work = [self._home, self._runs, self._sessions, self._desktops]
        if may(Permission.SCHEDULES_READ):
            work.append(self._entry("Schedules", "/schedules", "time"))
        understand = [self._entry("Dashboard", "/dashboard", "chart")] if may(Permission.RUNS_READ) else []
        if may(Permission.AUDIT_READ):
            understand.append(self._entry("Audit", "/audit", "audit"))
        return (
            ("", tuple(work)),
            ("Build", tuple(build)),
            *((("Understand", tuple(understand)),) if understand else ()),
            ("Operate", (self._entry("Health", "/system", "health"), self._entry("Settings", "/settings", "settings"))),
        )

    @property
    def bottom(self) -> tuple[Entry, ...]:
        """The bottom bar of a phone."""
        more = Entry("More", "/more", "more", current=self.place.entry not in ("Home", "Runs", "Sessions", "Desktops"))
        return (self._home, self._runs, self._sessions, self._desktops, more)

    @property
    def _home(self) -> Entry:
        needs = str(self.counts.needs or "")
        return Entry("Home", "/", "home", needs, mine=bool(needs), current=self.place.entry == "Home")

    @property
    def _runs(self) -> Entry:
        return self._entry("Runs", "/runs", "runs", str(self.counts.live_runs or ""))

    @property
    def _sessions(self) -> Entry:
        return self._entry("Sessions", "/sessions", "chat", str(self.counts.sessions or ""))

    @property
    def _desktops(self) -> Entry:
        return self._entry("Desktops", "/desktops", "desktop", str(self.counts.desktops or ""))

    def _entry(self, name: str, url: str, icon: str, count: str = "", *, bad: bool = False) -> Entry:
        return Entry(name, url, icon, count, bad=bad and bool(count), current=self.place.entry == name)
