"""What the faults cost, measured: kept in a file and printed as a table."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tests.faults.load import Load, Outcome

FOLDER = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "what-it-survives.md"
BEGIN, END = "<!-- figures of the last published run -->", "<!-- end of figures -->"


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
        self._form, self._silences = form, list[Silence]()

    @property
    def file(self) -> Path:
        """The full form is kept in `latest.json`, the short one beside it."""
        return FOLDER / ("latest.json" if self._form == "full" else "short.json")

    def add(self, figures: Silence) -> None:
        """Keep the figures of a fault."""
        self._silences.append(figures)
        FOLDER.mkdir(exist_ok=True)
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[1]}
        document = {"form": self._form, "machine": machine, "silences": [asdict(each) for each in self._silences]}
        self.file.write_text(json.dumps(document, indent=1) + "\n")

    def publish(self) -> None:
        """Put the table of a full run into its page."""
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n{self.table()}\n{END}{after}")

    def table(self) -> str:
        """Everything measured so far, as Markdown."""
        load = {f"{each.runs} runs of {each.steps} steps at {each.step_s:g} s each" for each in self._silences}
        return "\n".join([", ".join(sorted(load)) + ":", "", HEAD, *(each.line for each in self._silences)])
