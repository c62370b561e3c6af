"""What bodies have in common: nothing unknown is taken, text is text, and forms have an end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from windlass.contracts.agents import MOST_COST_USD
from windlass.contracts.sessions import Budget
from windlass.core.calendars.timing import YEARS
from windlass.core.errors import Invalid

MOST_FIELDS = 2000
"""Of a form of a page."""
Usd = Annotated[float, Field(gt=0, le=MOST_COST_USD)]
"""What something may cost."""


class Body(BaseModel):
    """A request body; an unknown field is an error, so nobody believes it was heard."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BudgetBody(Body):
    """What may say what a session costs at most."""

    budget_usd: Usd | None = Field(None, description="What the session may cost in all; null: whatever it does.")

    def budget(self) -> Budget | None:
        """The budget that was sent, or that there is to be none; None: nothing was said of it."""
        return Budget(self.budget_usd) if "budget_usd" in self.model_fields_set else None


def fields_of(sent: str, most: int) -> Mapping[str, list[str]]:
    """The values of a form's fields, or of those in an address, by name. Raises Invalid."""
    try:
        return parse_qs(sent, keep_blank_values=True, max_num_fields=most)
    except ValueError:
        raise Invalid(f"A form has at most {most:,} fields here. Nothing of it was taken.") from None


def _plain(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable text")
    return value


def _in_reach(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"must be a time of the years {YEARS[0]} to {YEARS[-1]}")
    return value


def _address(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not (local and at and domain) or " " in value or "@" in local:
        raise ValueError("must be an e-mail address")
    return value.lower()


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_plain)]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=254),
    AfterValidator(_plain),
    AfterValidator(_address),
    Field(examples=["ada@example.org"], json_schema_extra={"format": "email"}),
]
Moment = Annotated[datetime, AfterValidator(_in_reach)]
"""A time that one can add days to, and that every clock can show."""
AwareMoment = Annotated[AwareDatetime, AfterValidator(_in_reach)]
"""The same, which says its zone."""
Password = Annotated[str, Field(min_length=1, max_length=256, json_schema_extra={"format": "password"})]
