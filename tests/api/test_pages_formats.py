"""Durations, money, sizes, tokens and times are written in one way each."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from api.pages.formats import Clock, Viewer, age, counted, duration, money, short_id, size, tick, tokens, took
from api.pages.sentences import sentence

NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
BERLIN = Viewer(NOW, ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\u2013"), (0, "<0.1s"), (0.04, "<0.1s"), (0.06, "0.1s"), (46, "46.0s"), (59.94, "59.9s"),
        (59.96, "1m 00s"), (832, "13m 52s"), (3599.4, "59m 59s"), (3840, "1h 04m"), (86399, "23h 59m"),
        (356400, "4d 3h"),
    ],
)  # fmt: skip
def test_a_duration_is_short_and_exact_enough(seconds: float | None, text: str):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("said", "text"),
    [("no ../log", "no ../log."), ("It waits...", "It waits..."), ("x" * 21, "x" * 20 + "\u2026"), ("Why?", "Why?")],
)
def test_what_somebody_else_wrote_is_changed_in_nothing_but_its_end(said: str, text: str):
    assert sentence(said, 20) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "\u2013"), ("0", "$0.00"), ("0.004", "<$0.01"), ("0.84", "$0.84"), ("1240.1", "$1,240.10")],
)
def test_unknown_money_is_never_nothing(amount: str | None, text: str):
    assert money(None if amount is None else Decimal(amount)) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "\u2013"), (0, "0 B"), (999, "999 B"), (88_200, "88.2 kB"), (999_960, "1.0 MB"), (1_200_000, "1.2 MB")],
)
def test_bytes_are_counted_in_thousands(count: int | None, text: str):
    assert size(count) == text


@pytest.mark.parametrize(("count", "text"), [(412, "412"), (1200, "1.2k"), (214_000, "214k"), (1_300_000, "1.3M")])
def test_tokens_are_rounded(count: int, text: str):
    assert tokens(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0"),
        (0.02, "20ms"),
        (0.15, "150ms"),
        (0.5, "0.5s"),
        (3.05, "3.05s"),
        (30, "30s"),
        (90, "1m 30s"),
        (780, "13m"),
        (7200, "2h"),
        (86400, "1d"),
    ],
)
def test_ticks_are_round_times(seconds: float, text: str):
    assert tick(seconds) == text


def test_times_are_in_the_viewers_zone():
    assert BERLIN.clock(NOW) == "15:30:00"
    assert BERLIN.when(NOW - timedelta(hours=1)) == "14:30"
    assert BERLIN.when(NOW - timedelta(days=1)) == "Fri 20 Nov 15:30"
    assert BERLIN.when(NOW - timedelta(days=400)) == "17 Oct 2025"
    assert BERLIN.when(None) == "\u2013"


def test_an_age_leaves_the_small_part_out():
    assert [age(seconds) for seconds in (11, 570, 4320, 400_000)] == ["11s", "9m", "1h 12m", "4d"]


def test_a_clock_that_runs_is_the_same_clock_a_second_later():
    began = NOW - timedelta(seconds=10)

    assert took(began, None, NOW) == took(began, None, NOW + timedelta(seconds=1))
    assert took(began, NOW, NOW) != took(began, None, NOW)
    assert took(None, None, NOW) == Clock("\u2013")


def test_counts_end_at_ten_thousand():
    assert [counted(1, "step"), counted(2, "try", "tries"), counted(12_000, "run")] == [
        "1 step",
        "2 tries",
        "10,000+ runs",
    ]
    assert short_id("01a1fddc-5397-7ac4-8eb0-c8709d950f29") == "9d950f29"
