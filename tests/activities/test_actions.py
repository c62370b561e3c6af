"""What a model may do at a screen: the right keys and buttons in their order, and a reason where it cannot be done."""

import struct
from typing import Any

import pytest

from activities.actions import Action, BadAction, do
from activities.adapters.rfb import signed_in
from activities.keys import BadKey, keysym_of, typed
from tests.activities.test_screens import Show, screen

SAID = {4: ">BBxxI", 5: ">BBHH"}  # key, pointer


def listening(heard: list[tuple[int, ...]]) -> Show:
    """A screen that writes down what it is told, until it is asked what it shows."""

    async def show(reader: Any, writer: Any) -> None:
        while (kind := (await reader.readexactly(1))[0]) in SAID:
            rest = await reader.readexactly(struct.calcsize(SAID[kind]) - 1)
            heard.append(struct.unpack(SAID[kind], bytes([kind]) + rest))
        await reader.readexactly(9)
        writer.write(struct.pack(">BxHHHHHi", 0, 1, 0, 0, 100, 50, 0) + b"\0" * 100 * 50 * 4)
        await writer.drain()

    return show


async def told(**given: Any) -> list[tuple[int, ...]]:
    """What a screen of 100 by 50 is told by an action; a pointer as (buttons, x, y), a key as (is down, which)."""
    heard: list[tuple[int, ...]] = []
    async with screen(listening(heard), size=(100, 50)) as port, signed_in("127.0.0.1", "password", port) as hands:
        hands.pointer = (1, 2)
        await do(Action(given), hands)
        await hands.settled(0.0)
    return [each[1:] for each in heard]


async def test_a_click_moves_presses_and_lets_go():
    assert await told(action="left_click", coordinate=[10, 20]) == [(0, 10, 20), (1, 10, 20), (0, 10, 20)]
    assert await told(action="right_click") == [(4, 1, 2), (0, 1, 2)]
    assert len(await told(action="triple_click", coordinate=[3, 4])) == 7


async def test_a_click_may_hold_keys_down():
    shift = 0xFFE1

    assert await told(action="left_click", coordinate=[3, 4], text="shift") == [
        *((0, 3, 4), (1, shift), (1, 3, 4), (0, 3, 4), (0, shift)),
    ]


async def test_a_drag_ends_where_it_should():
    heard = await told(action="left_click_drag", start_coordinate=[0, 0], coordinate=[99, 49])

    assert (heard[0], heard[1], heard[-2], heard[-1]) == ((0, 0, 0), (1, 0, 0), (1, 99, 49), (0, 99, 49))


async def test_keys_and_the_wheel():
    assert await told(action="key", text="ctrl+s") == [(1, 0xFFE3), (1, 0x73), (0, 0x73), (0, 0xFFE3)]
    assert await told(action="type", text="a\n") == [(1, 0x61), (0, 0x61), (1, 0xFF0D), (0, 0xFF0D)]
    assert await told(action="scroll", coordinate=[5, 5], scroll_direction="down", scroll_amount=2) == [
        *((0, 5, 5), (16, 5, 5), (0, 5, 5), (16, 5, 5), (0, 5, 5)),
    ]
    assert await told(action="screenshot") == await told(action="wait", duration=0) == []


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"action": "format_disk"},
        {"action": "left_click", "coordinate": [100, 0]},
        {"action": "left_click", "coordinate": [-1, 0]},
        {"action": "left_click", "coordinate": ["1", 0]},
        {"action": "left_click", "coordinate": "1,0"},
        {"action": "key", "text": "hyper+banana"},
        {"action": "type"},
        {"action": "type", "text": "x" * 20_001},
        {"action": "wait", "duration": 3600},
        {"action": "wait", "duration": True},
        {"action": "scroll", "scroll_direction": "sideways"},
        {"action": "scroll", "scroll_direction": "up", "scroll_amount": 1_000_000},
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_reason(given: dict[str, Any]):
    with pytest.raises(BadAction):
        await told(**given)


def test_a_summary_says_what_is_done_and_never_what_is_typed():
    assert Action({"action": "left_click", "coordinate": [3, 4]}).summary == "left click at 3, 4"
    assert Action({"action": "key", "text": "ctrl+s"}).summary == "key ctrl+s"
    assert Action({"action": "type", "text": "hunter2"}).summary == "type"


def test_every_character_has_a_key():
    assert list(typed("aé€😀\t")) == [0x61, 0xE9, 0x010020AC, 0x0101F600, 0xFF09]
    assert (keysym_of("Return"), keysym_of("F5"), keysym_of("+")) == (0xFF0D, 0xFFC2, 0x2B)
    with pytest.raises(BadKey):
        keysym_of("anykey")
