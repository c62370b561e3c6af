"""The price book: what tokens of each Claude model cost, by date.

Source: the provider's published list, base prices of the first-party API in US dollars per million tokens; cache
writes live five minutes. A changed price is a new list; earlier lists stay, so that old usage keeps its price.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

MILLION = Decimal(1_000_000)
DATED_NAME = re.compile(r"-\d{8}$")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one model call used."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def prompt(self) -> int:
        """Everything that was sent, cached or not."""
        return self.input + self.cache_read + self.cache_write


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; a prompt over `long_prompt_tokens` pays `long_prompt` for every token."""

    input: Decimal
    output: Decimal
    cache_write: Decimal
    cache_read: Decimal
    long_prompt_tokens: int | None = None
    long_prompt: "Price | None" = None

    def cost(self, tokens: Tokens) -> Decimal:
        """Price one call, exactly."""
        if self.long_prompt and self.long_prompt_tokens is not None and tokens.prompt > self.long_prompt_tokens:
            return self.long_prompt.cost(tokens)
        total = self.input * tokens.input + self.output * tokens.output
        return (total + self.cache_read * tokens.cache_read + self.cache_write * tokens.cache_write) / MILLION


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of every known model from a day on."""

    since: date
    prices: Mapping[str, Price]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call cost, and the date of the list that says so."""

    usd: Decimal
    price_date: date


def dollars(input_: str, output: str, cache_write: str, cache_read: str) -> Price:
    """A price from its four figures as they are printed."""
    return Price(Decimal(input_), Decimal(output), Decimal(cache_write), Decimal(cache_read))


FABLE_5 = dollars("10", "50", "12.50", "1")
FABLE_5_1 = dollars("10", "50", "12.50", "0.25")
OPUS_4_5 = dollars("5", "25", "6.25", "0.50")
SONNET_4_5 = dollars("3", "15", "3.75", "0.30")
SONNET_5 = dollars("2", "10", "2.50", "0.20")

SEPTEMBER_2026 = PriceList(
    date(2026, 9, 23),
    {
        "claude-fable-5-1": FABLE_5_1,
        "claude-mythos-5-1": FABLE_5_1,
        "claude-fable-5": FABLE_5,
        "claude-mythos-5": FABLE_5,
        "claude-opus-5-5": dollars("4", "20", "5", "0.20"),
        "claude-opus-5": OPUS_4_5,
        "claude-opus-4-8": OPUS_4_5,
        "claude-opus-4-7": OPUS_4_5,
        "claude-opus-4-6": OPUS_4_5,
        "claude-opus-4-5": OPUS_4_5,
        "claude-sonnet-5-5": SONNET_5,
        "claude-sonnet-5": SONNET_5,
        "claude-sonnet-4-6": SONNET_4_5,
        "claude-sonnet-4-5": SONNET_4_5,
        "claude-haiku-4-5": dollars("1", "5", "1.25", "0.10"),
    },
)
OCTOBER_2026 = PriceList(
    date(2026, 10, 7),
    {
        **SEPTEMBER_2026.prices,
        "claude-sonnet-5-5": dollars("2", "10", "2.50", "0.10"),
        "claude-haiku-5-5": Price(
            *(Decimal(figure) for figure in ("0.10", "0.50", "0.125", "0.01")),
            long_prompt_tokens=100_000,
            long_prompt=dollars("0.50", "2.50", "0.625", "0.05"),
        ),
    },
)
BOOK = (OCTOBER_2026, SEPTEMBER_2026)


def cost(model: str, tokens: Tokens, on: date) -> Cost | None:
    """Price one call by the list of its day, the oldest for days before it; None for a model nobody listed."""
    listed = next((entry for entry in BOOK if entry.since <= on), BOOK[-1])
    price = listed.prices.get(DATED_NAME.sub("", model))
    return Cost(price.cost(tokens), listed.since) if price else None
