"""The names of keys, and the numbers X knows them by (keysymdef.h)."""

from collections.abc import Iterator

UNICODE = 0x01000000
RETURN, TAB, BACKSPACE = 0xFF0D, 0xFF09, 0xFF08
NAMES = {
    "return": RETURN,
    "enter": RETURN,
    "kp_enter": 0xFF8D,
    "tab": TAB,
    "backspace": BACKSPACE,
    "escape": 0xFF1B,
    "esc": 0xFF1B,
    "delete": 0xFFFF,
    "insert": 0xFF63,
    "home": 0xFF50,
    "left": 0xFF51,
    "up": 0xFF52,
    "right": 0xFF53,
    "down": 0xFF54,
    "page_up": 0xFF55,
    "pageup": 0xFF55,
    "prior": 0xFF55,
    "page_down": 0xFF56,
    "pagedown": 0xFF56,
    "next": 0xFF56,
    "end": 0xFF57,
    "print": 0xFF61,
    "menu": 0xFF67,
    "shift": 0xFFE1,
    "shift_l": 0xFFE1,
    "ctrl": 0xFFE3,
    "control": 0xFFE3,
    "control_l": 0xFFE3,
    "alt": 0xFFE9,
    "alt_l": 0xFFE9,
    "meta": 0xFFE7,
    "super": 0xFFEB,
    "super_l": 0xFFEB,
    "cmd": 0xFFEB,
    "space": 0x20,
    "plus": 0x2B,
    "minus": 0x2D,
    "period": 0x2E,
    "comma": 0x2C,
    "slash": 0x2F,
    "equal": 0x3D,
    **{f"f{n}": 0xFFBD + n for n in range(1, 13)},
}


class BadKey(Exception):
    """There is no such key; the text is for whoever named it."""


def keysym_of(name: str) -> int:
    """The key of that name, or that writes that one character. Raises BadKey."""
    if len(name) == 1:
        return _character(name)
    found = NAMES.get(name.lower())
    if found is None:
        raise BadKey(f"There is no key {name[:30]!r}.")
    return found


def typed(text: str) -> Iterator[int]:
    """The keys that write a text, one after the other."""
    special = {"\n": RETURN, "\t": TAB, "\b": BACKSPACE}
    for character in text.replace("\r\n", "\n"):
        if character in special:
            yield special[character]
        elif character.isprintable():
            yield _character(character)


def _character(character: str) -> int:
    code = ord(character)
    return code if 0x20 <= code <= 0x7E or 0xA0 <= code <= 0xFF else UNICODE | code
