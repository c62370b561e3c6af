"""Python tracebacks as a person reads them: their own frames first, those of libraries folded."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
LIBRARIES = ("site-packages/", "dist-packages/", "/lib/python3", "<frozen ", "/windlass/host", "/windlass/tracer")
MOST_FRAMES = 30


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a traceback; without a place it is a word across all columns."""

    code: str
    place: str = ""
    function: str = ""
    note: str = ""
    mine: bool = False
    bad: bool = False


def read_traceback(text: str) -> tuple[Frame, ...]:
    """The frames of the last traceback in the text; none when there is none."""
    head, _, tail = text.rpartition("Traceback (most recent call last):")
    if not _ and "File " not in head + tail:
        return ()
    frames: list[Frame] = []
    said: list[str] = []
    lines = tail.split("\n")
    for number, line in enumerate(lines):
        match = FRAME.match(line)
        if match:
            code = lines[number + 1].strip() if number + 1 < len(lines) and not FRAME.match(lines[number + 1]) else ""
            frames.append(frame(match, code))
        elif line and not line.startswith(" "):
            said.append(line)
    if not frames:
        return ()
    return (
        Frame("Traceback, your code first"),
        *folded(frames)[:MOST_FRAMES],
        *(Frame(line, bad=True) for line in said[-6:]),
    )


def frame(match: re.Match[str], code: str) -> Frame:
    """A frame from its `File` line and the source under it."""
    path = match["file"]
    mine = not any(part in path for part in LIBRARIES)
    place = f"{short_path(path)}:{match['line']}"
    return Frame(code, place, match["function"] or "", mine=mine)


def folded(frames: list[Frame]) -> list[Frame]:
    """The person's frames in order, then the last of the libraries' with the number of the others."""
    mine = [each for each in frames if each.mine]
    theirs = [each for each in frames if not each.mine]
    if not mine:
        return frames
    if not theirs:
        return mine
    last = theirs[-1]
    more = len(theirs) - 1
    note = f"({more} more {'frame' if more == 1 else 'frames'} in libraries)" if more else ""
    return [*mine, Frame("", last.place, last.function, note)]


def short_path(path: str) -> str:
    """A path without what every path on the machine begins with."""
    for part in LIBRARIES[:2]:
        if part in path:
            return path.split(part, 1)[1]
    return str(PurePosixPath(*PurePosixPath(path).parts[-3:]))
