"""When a schedule is due: as people write it, in words, and as the Temporal server finds its due times."""

from windlass.core.calendars.clock import Clock, zone_named
from windlass.core.calendars.corrections import Due, due_times, missing, surplus_reason
from windlass.core.calendars.fields import Calendar, read_calendar, read_cron
from windlass.core.calendars.timing import Timing, read_timing
from windlass.core.calendars.words import in_words

__all__ = [
    "Calendar",
    "Clock",
    "Due",
    "Timing",
    "due_times",
    "in_words",
    "missing",
    "read_calendar",
    "read_cron",
    "read_timing",
    "surplus_reason",
    "zone_named",
]
