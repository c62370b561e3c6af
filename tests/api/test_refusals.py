"""Failed sign-ins leave something behind, and never too much of it."""

import secrets

from tests.api.people import Gateway
from tests.owner import as_owner
from windlass.core.callers import Origin
from windlass.core.database import Database
from windlass.core.identity import Refusals


async def test_a_failed_sign_in_leaves_a_row_where_the_person_belongs(gateway: Gateway):
    """C5: whoever guesses is seen."""
    person = await gateway.sign_up()
    http = await gateway.browser()
    for email in (person.email.upper(), f"{secrets.token_hex(4)}-{person.email}"):
        assert (await http.post("/v1/auth/login", json={"email": email, "password": "no"})).status_code == 401

    rows = (await person.http.get("/v1/audit", params={"action": "session.refuse"})).json()["items"]

    (row,) = rows
    assert (row["subject"], row["actor_id"]) == (f"person:{person.id}", None)
    assert row["after"] == {"email": person.email}
    assert row["address"].startswith("127.")
    assert row["request_id"]


async def test_failed_sign_ins_of_nobody_are_for_the_operator(gateway: Gateway, database_url: str):
    person, nobody = await gateway.sign_up("Root"), f"{secrets.token_hex(8)}@example.org"
    await (await gateway.browser()).post("/v1/auth/login", json={"email": nobody, "password": "no"})
    forbidden = await person.http.get("/v1/admin/refused-sign-ins")
    async with as_owner(database_url) as owner:
        await owner.execute("update person set is_operator = true where id = $1", person.id)
    gateway.state["authentication"].forget()

    first = (await person.http.get("/v1/admin/refused-sign-ins", params={"limit": 1})).json()

    assert forbidden.status_code == 403
    assert first["items"][0]["email"] == nobody
    assert first["items"][0]["address"].startswith("127.")


async def test_guessing_names_cannot_fill_the_disk(database: Database, database_url: str):
    refusals = Refusals(database, kept=5)

    for n in range(12):
        await refusals.note(None, f"{n}-{'x' * 1000}@example.org", Origin("192.0.2.1"))

    async with as_owner(database_url) as owner:
        rows = await owner.fetch("select email from refused_sign_in")
    assert len(rows) <= 5
    assert max(len(row["email"]) for row in rows) <= 254
