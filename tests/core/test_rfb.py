"""Which words of a viewer reach a screen, however they are cut on their way."""

import asyncio
import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.core.rfb import GREETING, ClientWords, Malformed, Refused, encrypt, password, sign_in

SECRET = b"0123456789abcdef0123456789abcdef"
FORMAT = bytes([0]) + bytes(19)
ASK = struct.pack(">BBHHHH", 3, 1, 0, 0, 1280, 800)
FLOW = bytes([150]) + bytes(9)
FENCE = bytes([248, 0, 0, 0, 0, 0, 0, 1, 3]) + b"abc"
LOOKS = [FORMAT, ASK, FLOW, FENCE]
KEY = struct.pack(">BBHI", 4, 1, 0, 0x61)
POINTER = struct.pack(">BBHH", 5, 1, 10, 20)
PASTE = struct.pack(">BxxxI", 6, 5) + b"paste"
CLIPBOARD = struct.pack(">Bxxxi", 6, -8) + bytes(8)
QEMU_KEY = bytes([255, 0]) + bytes(10)
ACTS = [KEY, POINTER, PASTE, CLIPBOARD, QEMU_KEY]
POWER = bytes([250, 0, 1, 2])
RESIZE = struct.pack(">BxHHBx", 251, 800, 600, 1) + bytes(16)
NEVER = [POWER, RESIZE]


def encodings(*codes: int) -> bytes:
    """A list of encodings."""
    return struct.pack(f">BxH{len(codes)}i", 2, len(codes), *codes)


@pytest.mark.parametrize(("may_act", "passes"), [(False, LOOKS), (True, [*LOOKS, *ACTS])])
def test_who_looks_cannot_act_and_nobody_resizes_or_switches_off(may_act: bool, passes: list[bytes]):
    words = ClientWords(may_act=may_act)

    found = words.take(b"".join([*LOOKS, *ACTS, *NEVER]))

    assert found == b"".join(passes)
    assert words.acted == (len(ACTS) if may_act else 0)


@given(st.lists(st.sampled_from([*LOOKS, *ACTS, *NEVER])), st.lists(st.integers(0, 200)), st.booleans())
def test_it_does_not_matter_where_words_are_cut(said: list[bytes], cuts: list[int], may_act: bool):
    whole = b"".join(said)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    words = ClientWords(may_act=may_act)

    found = b"".join(words.take(whole[start:end]) for start, end in itertools.pairwise(places))

    allowed = [*LOOKS, *ACTS] if may_act else LOOKS
    assert found == b"".join(word for word in said if word in allowed)


@given(st.lists(st.binary(max_size=60)))
def test_of_what_is_no_protocol_nothing_that_acts_passes(said: list[bytes]):
    words = ClientWords(may_act=False)
    passed = bytearray()
    try:
        for each in said:
            passed += words.take(each)
    except Malformed:
        pass

    again = ClientWords(may_act=True)
    assert again.take(bytes(passed)) == passed
    assert again.acted == 0


def test_an_encoding_that_would_change_the_length_of_words_is_not_asked_for():
    found = ClientWords(may_act=True).take(encodings(7, -316, 16, -239))

    assert found == encodings(7, 16, -239)


@pytest.mark.parametrize(
    "said",
    [b"\x01", b"\x63", struct.pack(">BxxxI", 6, 2**31 - 1), struct.pack(">Bxxxi", 6, -(2**31)), bytes([255, 1])],
)
def test_what_is_no_word_ends_the_view(said: bytes):
    with pytest.raises(Malformed):
        ClientWords(may_act=True).take(said + bytes(20))


def test_the_password_is_of_one_desktop_and_one_container():
    found = {
        password(SECRET, "a", 1),
        password(SECRET, "a", 2),
        password(SECRET, "b", 1),
        password(bytes(reversed(SECRET)), "a", 1),
    }

    assert {len(each) for each in found} == {8}
    assert len(found) == 4


@pytest.mark.parametrize(("known", "outcome"), [("right", None), ("wrong", Refused)])
async def test_a_screen_lets_in_who_knows_its_password(known: str, outcome: type[Exception] | None):
    async def screen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        assert await reader.readexactly(12) == GREETING
        writer.write(b"\x02\x10\x02")
        assert await reader.readexactly(1) == b"\x02"
        challenge = bytes(range(16))
        writer.write(challenge)
        is_right = await reader.readexactly(16) == encrypt(b"right", challenge)
        writer.write(bytes(4) if is_right else b"\0\0\0\x01")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(screen, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        error = None
        try:
            await sign_in(reader, writer, known)
        except Refused as refused:
            error = refused
        writer.close()

    assert type(error) is (outcome or type(None))


@pytest.mark.parametrize("said", [b"RFB 003.003\n\x02\x01\x02", GREETING + b"\x01\x01"])
async def test_a_screen_without_a_password_is_not_trusted(said: bytes):
    reader = asyncio.StreamReader()
    reader.feed_data(said)
    reader.feed_eof()

    with pytest.raises((Refused, Malformed)):
        await sign_in(reader, Nowhere(), "x")


class Nowhere(asyncio.StreamWriter):
    """Takes what is written and forgets it."""

    def __init__(self) -> None:
        """Nothing to open."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Forget it."""

    def __del__(self) -> None:
        """Nothing to close."""
