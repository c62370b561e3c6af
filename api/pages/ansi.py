"""Terminal colours in output: SGR codes become classes, every other escape is dropped."""

import re

Piece = tuple[str, str]  # class names ("" for none) and text

# CSI, OSC (also unfinished), other escapes, and control characters but tab; a carriage return starts the line anew.
ESCAPES = re.compile(
    r"\x1b\[([0-9;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b.?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
STYLES = {"1": "a1", "2": "a2", "3": "a3", "4": "a4"}
ENDS = {"22": ("1", "2"), "23": ("3",), "24": ("4",), "39": ("colour",)}
COLOUR = re.compile("[39][0-7]")


def pieces(line: str) -> tuple[Piece, ...]:
    """One line as pieces of one style each."""
    line = line.rstrip("\r").rsplit("\r", 1)[-1]
    if "\x1b" not in line and line.isprintable():
        return (("", line),)
    result: list[Piece] = []
    styles: dict[str, str] = {}
    position = 0
    for match in ESCAPES.finditer(line):
        _add(result, styles, line[position : match.start()])
        position = match.end()
        if match.group(1) is not None:
            _restyle(styles, match.group(1))
    _add(result, styles, line[position:])
    return tuple(result)


def _add(result: list[Piece], styles: dict[str, str], text: str) -> None:
    if text:
        result.append((" ".join(styles.values()), text))


def _restyle(styles: dict[str, str], codes: str) -> None:
    for code in re.split("[;:]", codes or "0"):
        if code in ("38", "48"):
            return  # colours by number or value follow: they are not ours
        if code in ("", "0"):
            styles.clear()
        elif code in STYLES:
            styles[code] = STYLES[code]
        elif code in ENDS:
            for name in ENDS[code]:
                styles.pop(name, None)
        elif COLOUR.fullmatch(code):
            styles["colour"] = f"f{code[1]}"


def plain(text: str) -> str:
    """The same text without any escape."""
    return ESCAPES.sub("", text)
