"""What people are asked when a session has cost what it may."""

from uuid import uuid4

from activities.budgets import Spent, question
from windlass.contracts.agents import MOST_COST_USD
from windlass.contracts.ids import TenantId


def test_each_budget_that_is_reached_is_asked_about_and_none_over_the_most_is_suggested():
    tenant, session = TenantId(uuid4()), uuid4()
    spent = [Spent(90_000, 12_345.67), Spent(90_000, 12_345.68), Spent(90_000, 2.0)]

    asked = [question(tenant, session, 3, each) for each in spent]
    (amount,) = [each for each in asked[0].elements if each.get("name") == "budget_usd"]

    assert [each.key for each in asked] == ["3-budget-12345.67", "3-budget-12345.68", "3-budget-2"]
    assert (amount["max_value"], spent[0].suggested_usd) == (MOST_COST_USD, MOST_COST_USD)
