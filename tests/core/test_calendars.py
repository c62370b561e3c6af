"""When schedules are due: what can be said, in words, and what the clocks do to it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from windlass.core.calendars import due_times, in_words, missing, read_timing
from windlass.core.calendars.spans import by_hour
from windlass.core.calendars.timing import Timing
from windlass.core.errors import Invalid

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def shown(cron: str, zone: str, after: str, count: int = 3) -> list[str]:
    """The next due times as the wall shows them; those that start nothing in brackets."""
    timing = read_timing({"cron": cron, "time_zone": zone}, NOW)
    found = due_times(timing, datetime.fromisoformat(after), count)
    texts = ((f"{due.at.astimezone(ZoneInfo(zone)):%d %H:%M%z}", due.skipped) for due in found)
    return [f"({text})" if skipped else text for text, skipped in texts]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cron": "30 7 * * 1-5"}, "At 07:30 on Monday to Friday"),
        ({"cron": "30 2 28 * *"}, "At 02:30 on the 28th of every month"),
        ({"cron": "0 0 * * *"}, "At 00:00 every day"),
        ({"cron": "* * * * *"}, "Every minute"),
        ({"cron": "0 * * * *"}, "Every hour"),
        ({"cron": "*/15 9-17 * * mon-fri"}, "Every 15 minutes from 09:00 to 17:59 on Monday to Friday"),
        ({"cron": "0 9,18 1,15 jan,jul *"}, "At 09:00 and 18:00 on the 1st and 15th of January and July"),
        ({"cron": "0 9 13 * fri"}, "At 09:00 on the 13th of every month, if it is a Friday"),
        ({"cron": "5 */2 * * sat,sun"}, "Every 2 hours at :05 on Saturday and Sunday"),
        ({"interval_s": 5400}, "Every 90 minutes"),
        ({"interval_s": 86400, "offset_s": 60}, "Every day, 1 minute after it begins"),
        ({"calendar": {"hour": "6", "year": "2027"}}, "At 06:00 every day in 2027"),
        ({"at": "2026-12-24T18:00", "time_zone": "Europe/Berlin"}, "Once, on Thursday 24 December 2026 at 18:00"),
    ],
)
def test_a_timing_in_words(given: dict[str, Any], words: str):
    assert in_words(read_timing(given, NOW)) == words


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"cron": "0 0 31 2 *"}, "cron", "never comes"),
        ({"cron": "0 0 31 4,6,9,11 *"}, "cron", "never comes"),
        ({"cron": "@reboot"}, "cron", "five fields"),
        ({"cron": "0 0 * * * *"}, "cron", "has 6 fields"),
        ({"cron": "61 * * * *"}, "cron", "0 to 59"),
        ({"cron": "0 0 * * fun"}, "cron", "sun to sat"),
        ({"cron": "0 17-9 * * *"}, "cron", "backwards"),
        ({"cron": "*/0 * * * *"}, "cron", "step"),
        ({"cron": "0 0 * * *", "time_zone": "Mars/Olympus"}, "time_zone", "no IANA time zone"),
        ({"cron": "0 0 * * *", "time_zone": "../etc/passwd"}, "time_zone", "no IANA time zone"),
        ({"interval_s": 9}, "interval_s", "at least 10"),
        ({"interval_s": 60, "offset_s": 60}, "offset_s", "less than interval_s"),
        ({"at": "2020-01-01T00:00"}, "at", "in the past"),
        ({"at": "2027-03-28T02:30", "time_zone": "Europe/Berlin"}, "at", "does not exist"),
        ({"calendar": {"year": "2027", "month": "feb", "day_of_month": "29"}}, "calendar", "never comes"),
        ({"calendar": {"century": "21"}}, "calendar", "has no century"),
        ({"cron": "0 0 1 1 *", "end_at": "2026-12-01T00:00:00Z"}, "cron", "never due"),
        ({"cron": "0 0 * * *", "end_at": "2026-01-01T00:00:00Z"}, "end_at", "in the past"),
        (
            {"cron": "0 0 * * *", "start_at": "2028-01-01T00:00:00Z", "end_at": "2027-01-01T00:00:00Z"},
            "end_at",
            "after",
        ),
        ({}, "cron", "there is none"),
        ({"cron": "0 0 * * *", "interval_s": 60}, "cron", "only one of them"),
    ],
)
def test_what_can_never_be_due_is_refused_by_field(given: dict[str, Any], field: str, said: str):
    with pytest.raises(Invalid) as refused:
        read_timing(given, NOW)

    (error,) = refused.value.errors
    assert error.field == field
    assert said in error.message


def test_in_spring_a_time_that_is_left_out_runs_at_the_first_valid_moment():
    assert shown("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00+00:00") == [
        "28 03:00+0200", "29 02:30+0200", "30 02:30+0200",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cron", "zone", "after", "times"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+00:00", ["25 02:30+0100", "26 02:30+0100"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00:00+00:00", ["(01 01:30-0400)", "01 01:30-0500"]),
    ],
)
def test_in_autumn_a_time_that_comes_twice_runs_once_the_second_time(
    cron: str, zone: str, after: str, times: list[str]
):
    assert shown(cron, zone, after, 2) == times


def test_a_midnight_that_is_left_out_changes_no_day_of_the_week():
    """The server takes the Sunday whose midnight is left out for a Saturday."""
    sunday = shown("30 5 * * sun", "America/Santiago", "2027-09-03T12:00:00+00:00", 2)
    saturday = shown("30 5 * * sat", "America/Santiago", "2027-09-03T12:00:00+00:00", 3)

    assert sunday == ["05 05:30-0300", "12 05:30-0300"]
    assert saturday == ["04 05:30-0400", "(05 05:30-0300)", "11 05:30-0300"]


def test_what_is_due_several_times_a_day_is_left_to_the_server():
    timing = read_timing({"cron": "*/30 1-3 * * *", "time_zone": "Europe/Berlin"}, NOW)

    assert missing(timing, NOW, NOW + timedelta(days=1000)) == {}


def test_start_and_end_are_part_of_it():
    bounds = {"start_at": "2026-12-01T00:00:00Z", "end_at": "2026-12-02T00:00:00Z"}
    timing = read_timing({"interval_s": 43200, **bounds}, NOW)

    assert [f"{due.at:%d %H}" for due in due_times(timing, NOW, 9)] == ["01 00", "01 12", "02 00"]


@pytest.mark.parametrize(
    "given",
    [
        {"cron": "30 7 * * 1-5"},
        {"cron": "*/20 2,23 * * *"},
        {"cron": "0 0 1,15 * *"},
        {"cron": "30 2 * * *"},
        {"interval_s": 5400},
        {"interval_s": 77, "offset_s": 5},
        {"cron": "*/7 * * * *", "start_at": "2027-03-24T10:20:00Z", "end_at": "2027-04-03T10:30:00Z"},
    ],
)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"])
@pytest.mark.parametrize("since", ["2027-01-04T00:13:00Z", "2027-03-25T05:45:00Z", "2027-04-01T15:30:00Z"])
def test_an_hour_counts_the_due_times_one_finds_one_by_one(given: dict[str, Any], zone: str, since: str):
    timing = read_timing(given | {"time_zone": zone}, NOW)
    after = datetime.fromisoformat(since)
    begin = after.replace(minute=0) - timedelta(hours=20)

    counts = by_hour(timing, begin, 168, after)

    assert counts == one_by_one(timing, begin, 168, after)


def one_by_one(timing: Timing, begin: datetime, hours: int, after: datetime) -> list[int]:
    """The same, due time by due time."""
    counts = [0] * hours
    for due in due_times(timing, after, 20_000):
        if (due.at - begin) // timedelta(hours=1) >= hours:
            break
        counts[(due.at - begin) // timedelta(hours=1)] += not due.skipped
    return counts
