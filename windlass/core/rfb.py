"""The screens' own protocol (RFB 3.8, RFC 6143): its password, its greeting, and which words of a viewer pass."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

GREETING = b"RFB 003.008\n"
PORT = 5901  # of the screen in every desktop; stack/images/desktop/entrypoint.sh says it too
NO_PASSWORD, VNC_PASSWORD = 1, 2  # ways to sign in
CHALLENGE_BYTES = 16
PASSWORD_CHARACTERS = 8  # VNC reads no more
LONGEST_BYTES = 512 * 1024  # of one word: what is pasted is shorter

SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST, KEY, POINTER, CUT_TEXT = 0, 2, 3, 4, 5, 6
CONTINUOUS_UPDATES, FENCE, POWER, RESIZE, QEMU = 150, 248, 250, 251, 255
LOOKING = frozenset({SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST, CONTINUOUS_UPDATES, FENCE})
ACTING = frozenset({KEY, POINTER, CUT_TEXT, QEMU})  # never power nor size: those are the desktop's own
EXTENDED_POINTER = -316  # an encoding that would change how long a pointer's word is


class Malformed(Exception):
    """What was said is not the protocol of screens."""


class Refused(Exception):
    """The screen did not let us in."""


def password(secret: bytes, desktop_id: str, generation: int) -> str:
    """The password of a desktop's screen: made from the installation's secret, kept nowhere."""
    digest = hmac.digest(secret, f"screen {desktop_id} {generation}".encode(), hashlib.sha256)
    return digest.hex()[:PASSWORD_CHARACTERS]


def encrypt(key: bytes, blocks: bytes) -> bytes:
    """DES as VNC uses it: the bits of every byte of the key in reverse."""
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key[:8].ljust(8, b"\0"))
    encryptor = Cipher(TripleDES(turned * 3), modes.ECB()).encryptor()  # noqa: S305 - the protocol's choice
    return encryptor.update(blocks) + encryptor.finalize()


async def sign_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secret: str) -> None:
    """Greet a screen and show it its password. Raises Refused, Malformed, IncompleteReadError."""
    if await reader.readexactly(len(GREETING)) != GREETING:
        raise Malformed("it speaks another version")
    writer.write(GREETING)
    ways = await reader.readexactly((await reader.readexactly(1))[0])
    if VNC_PASSWORD not in ways:
        raise Refused("it does not ask for a password")
    writer.write(bytes([VNC_PASSWORD]))
    writer.write(encrypt(secret.encode(), await reader.readexactly(CHALLENGE_BYTES)))
    if await reader.readexactly(4) != bytes(4):
        raise Refused("the password is not the screen's")


class ClientWords:
    """Cuts what a viewer sends into words and lets through what it may say; who only looks does not act."""

    def __init__(self, *, may_act: bool) -> None:
        self._allowed = LOOKING | ACTING if may_act else LOOKING
        self._open = bytearray()
        self.acted = 0  # words that moved something

    def take(self, more: bytes) -> bytes:
        """What of it passes; an unfinished word waits for its rest. Raises Malformed."""
        self._open += more
        passed, place = bytearray(), 0
        while (end := self._end(place)) is not None:
            kind = self._open[place]
            if kind in self._allowed:
                passed += _tamed(self._open[place:end]) if kind == SET_ENCODINGS else self._open[place:end]
                self.acted += kind in ACTING
            place = end
        del self._open[:place]
        return bytes(passed)

    def _end(self, place: int) -> int | None:
        """Where the word that begins here ends; None while that is not known or not here yet."""
        have = len(self._open) - place
        if not have:
            return None
        if self._open[place] not in LENGTHS:
            raise Malformed(f"no word of the protocol begins with {self._open[place]}")
        head, length = LENGTHS[self._open[place]]
        if have < head:
            return None
        size = length(self._open[place : place + head])
        if size > LONGEST_BYTES:
            raise Malformed(f"a word of {size} bytes is longer than {LONGEST_BYTES}")
        return place + size if have >= size else None


def _tamed(word: bytearray) -> bytes:
    """A list of encodings without the one that would change the protocol."""
    each = [word[place : place + 4] for place in range(4, len(word), 4)]
    kept = [code for code in each if int.from_bytes(code, "big", signed=True) != EXTENDED_POINTER]
    return bytes(word[:2]) + len(kept).to_bytes(2, "big") + b"".join(kept)


def _fixed(size: int) -> tuple[int, Callable[[bytearray], int]]:
    return 1, lambda _: size


def _qemu(head: bytearray) -> int:
    if head[1] != 0:  # a key with its place on the keyboard; the others are sound
        raise Malformed("only keys are taken")
    return 12


# How much of a word must be here to know its length, and how that follows from it.
LENGTHS: Mapping[int, tuple[int, Callable[[bytearray], int]]] = MappingProxyType(
    {
        SET_PIXEL_FORMAT: _fixed(20),
        SET_ENCODINGS: (4, lambda head: 4 + 4 * int.from_bytes(head[2:4], "big")),
        UPDATE_REQUEST: _fixed(10),
        KEY: _fixed(8),
        POINTER: _fixed(6),
        CUT_TEXT: (8, lambda head: 8 + abs(int.from_bytes(head[4:8], "big", signed=True))),
        CONTINUOUS_UPDATES: _fixed(10),
        FENCE: (9, lambda head: 9 + head[8]),
        POWER: _fixed(4),
        RESIZE: (8, lambda head: 8 + 16 * head[6]),
        QEMU: (2, _qemu),
    }
)
