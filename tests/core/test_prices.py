"""The price book."""

from datetime import date
from decimal import Decimal

import pytest

from windlass.contracts.agents import DEFAULT_MODEL
from windlass.core.prices import BOOK, Tokens, cost
from windlass.core.windows import window

TODAY = date(2026, 11, 21)


def usd(model: str, tokens: Tokens, on: date = TODAY) -> Decimal:
    priced = cost(model, tokens, on)
    assert priced is not None
    return priced.usd


def test_every_kind_of_token_has_its_own_price():
    tokens = Tokens(input=1_000_000, output=1_000_000, cache_read=1_000_000, cache_write=1_000_000)

    assert usd("claude-opus-5-5", tokens) == Decimal("4") + Decimal("20") + Decimal("0.20") + Decimal("5")


def test_small_costs_are_exact():
    assert usd("claude-sonnet-5-5", Tokens(input=1, output=1)) == Decimal("0.000012")


def test_a_price_cut_counts_from_its_day_on():
    tokens = Tokens(cache_read=1_000_000)

    assert usd("claude-sonnet-5-5", tokens, date(2026, 10, 6)) == Decimal("0.20")
    assert usd("claude-sonnet-5-5", tokens, date(2026, 10, 7)) == Decimal("0.10")


def test_the_cost_names_the_list_it_comes_from():
    priced = cost(DEFAULT_MODEL, Tokens(input=1), TODAY)

    assert priced is not None
    assert priced.price_date == BOOK[0].since


def test_days_before_the_book_use_its_oldest_list():
    assert usd("claude-opus-5", Tokens(input=1_000_000), date(2026, 8, 1)) == Decimal(5)


@pytest.mark.parametrize(("prompt", "price"), [(100_000, "0.10"), (100_001, "0.50")])
def test_a_long_prompt_pays_the_higher_band_for_every_token(prompt: int, price: str):
    assert usd("claude-haiku-5-5", Tokens(input=prompt)) == Decimal(price) * prompt / 1_000_000


def test_a_dated_name_has_the_price_of_its_model():
    assert usd("claude-haiku-4-5-20251001", Tokens(input=1_000_000)) == Decimal(1)


def test_a_model_nobody_listed_has_no_cost():
    assert cost("some-other-model", Tokens(input=1), TODAY) is None


def test_the_newest_list_comes_first():
    assert [entry.since for entry in BOOK] == sorted((entry.since for entry in BOOK), reverse=True)


def test_what_a_model_takes_up_at_once_is_known_by_its_name_or_not_at_all():
    assert [window(each) for each in ("claude-haiku-4-5-20251001", "claude-sonnet-5-5")] == [200_000, 1_000_000]
    assert window("somebody-elses") is None
