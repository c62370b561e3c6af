"""Runs that go on, as SQL says it."""

from windlass.contracts.runs import LIVE

# In the order of the condition of the index `run_open`: a query that is to be answered from it must imply it.
LIVE_STATUSES = "(" + ", ".join(f"'{status}'" for status in LIVE) + ")"
