"""What the faults cost, measured: kept in a file and printed as a table."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.faults.load import Load, Outcome

FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "what-it-survives.md"
PLACES = {
    "silences": ("<!-- figures of the last published run -->", "<!-- end of figures -->"),
    "desktops": ("<!-- desktops of the last published run -->", "<!-- end of desktops -->"),
}


@dataclass(frozen=True, slots=True)
class Silence:
    """How long runs stood still because of one fault, in seconds; `must_s` is the limit of the longest."""

    fault: str
    runs: int
    steps: int
    step_s: float
    median_s: float
    longest_s: float
    must_s: float
    lag_s: float
    repeated_steps: int
    events: int

    @property
    def line(self) -> str:
        """One line of the table."""
        return (
            f"| {self.fault} | {self.median_s:.2f} | {self.longest_s:.2f} | {self.must_s:g} "
            f"| {self.lag_s * 1000:.0f} | {self.repeated_steps} of {self.runs * self.steps} |"
        )


@dataclass(slots=True)
class Tally:
    """What kills of the worker for desktops came to, in one phase of the lives of desktops."""

    phase: str
    took_s: list[float] = field(default_factory=list[float])  # from the kill until all was as it was wished
    orphans: int = 0
    doubled: int = 0
    untrue: list[str] = field(default_factory=list[str])  # tasks that ended otherwise than their record says

    @property
    def line(self) -> str:
        """One line of the table."""
        return (
            f"| {self.phase} | {len(self.took_s)} | {median(self.took_s):.1f} | {max(self.took_s):.1f} "
            f"| {self.orphans} | {self.doubled} | {len(self.untrue)} |"
        )


DESKTOPS_HEAD = """\
| killed while desktops are | kills | median s until all is well | longest s | orphans | double containers | tasks that ended untruly |
|---|---|---|---|---|---|---|"""  # noqa: E501 - one line of Markdown
HEAD = "| killed | median s | longest s | must s | heard after ms | steps executed twice |\n|---|---|---|---|---|---|"


def silence(fault: str, must_s: float, load: Load, outcomes: Sequence[Outcome], silences: Sequence[float]) -> Silence:
    """The figures of one fault."""
    return Silence(
        fault,
        load.runs,
        load.steps,
        load.step_s,
        median_s=round(median(silences), 3),
        longest_s=round(max(silences), 3),
        must_s=must_s,
        lag_s=round(median(outcome.lag_s for outcome in outcomes), 3),
        repeated_steps=sum(outcome.repeated for outcome in outcomes),
        events=sum(len(outcome.events) for outcome in outcomes),
    )


class Report:
    """The figures of one test session, written after every fault."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._silences, self._desktops = list[Silence](), list[Tally]()

    @property
    def file(self) -> Path:
        """The full form is kept in `latest.json`, the short one beside it."""
        return FOLDER / ("latest.json" if self._form == "full" else "short.json")

    def add(self, figures: Silence) -> None:
        """Keep the figures of a fault."""
        self._silences.append(figures)
        self._keep("silences", [asdict(each) for each in self._silences])

    def add_desktops(self, tallies: Sequence[Tally]) -> None:
        """Keep what came of killing the worker for desktops."""
        self._desktops += tallies
        self._keep("desktops", [asdict(each) for each in self._desktops])

    def publish(self) -> None:
        """Put the tables of a full run into their page; what was not measured stays as it is."""
        text = PAGE.read_text()
        for name, table in self._tables().items():
            begin, end = PLACES[name]
            before, _, rest = text.partition(begin)
            text = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
        PAGE.write_text(text)

    def table(self) -> str:
        """Everything measured so far, as Markdown."""
        return "\n\n".join(self._tables().values())

    def _tables(self) -> dict[str, str]:
        tables: dict[str, str] = {}
        if self._silences:
            load = {f"{each.runs} runs of {each.steps} steps at {each.step_s:g} s each" for each in self._silences}
            lines = [", ".join(sorted(load)) + ":", "", HEAD, *(each.line for each in self._silences)]
            tables["silences"] = "\n".join(lines)
        if self._desktops:
            tables["desktops"] = "\n".join([DESKTOPS_HEAD, *(each.line for each in self._desktops)])
        return tables

    def _keep(self, name: str, figures: Any) -> None:
        FOLDER.mkdir(exist_ok=True)
        known: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[1]}
        self.file.write_text(
            json.dumps({**known, "form": self._form, "machine": machine, name: figures}, indent=1) + "\n"
        )
