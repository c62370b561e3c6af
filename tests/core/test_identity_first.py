"""The first administrator, and what hashing promises."""

import secrets
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from argon2.low_level import hash_secret, verify_secret

from tests.owner import as_owner
from windlass.core.callers import Origin
from windlass.core.database import Database, Row
from windlass.core.errors import Invalid
from windlass.core.identity import Lifetimes, Passwords, Sessions, SignIn, Tokens, ensure_first_administrator
from windlass.core.identity.passwords import check_new_password, generate_password
from windlass.core.migrations.schema import upgrade


@pytest.fixture
async def empty_url(database_url: str) -> AsyncGenerator[str]:
    """A migrated database without anybody in it."""
    name = f"empty_{secrets.token_hex(4)}"
    url = database_url.replace("/postgres?", f"/{name}?")
    async with as_owner(database_url) as owner:
        await owner.execute(f"create database {name}")
        await upgrade(url)
        yield url
        await owner.execute(f"drop database {name} with (force)")


async def person(url: str) -> Row:
    """The only person of a database, with their tenant."""
    async with as_owner(url) as owner:
        rows = await owner.fetch(
            "select p.*, m.role, t.name as tenant from person p join membership m on m.person_id = p.id "
            "join tenant t on t.id = m.tenant_id"
        )
    assert len(rows) == 1
    return rows[0]


async def test_the_first_administrator_is_made_once_with_a_password_to_change(empty_url: str):
    password = await ensure_first_administrator(empty_url, "Root@example.org", None)
    again = await ensure_first_administrator(empty_url, "other@example.org", None)

    found = await person(empty_url)
    assert password is not None
    assert again is None
    assert (found["email"], found["role"], found["tenant"]) == ("root@example.org", "owner", "Main")
    assert found["is_operator"]
    assert found["must_change_password"]
    assert await Passwords().verify(password, found["password_hash"]) == (True, None)


async def test_an_installation_is_fresh_until_somebody_signs_in(empty_url: str):
    await ensure_first_administrator(empty_url, "root@example.org", "chosen by the operator")
    database = await Database.connect(empty_url, max_size=2)
    tokens = Tokens(b"0123456789abcdef0123456789abcdef", timedelta(hours=2), lambda: datetime.now(UTC))
    door = SignIn(database, Sessions(database, tokens, Lifetimes()), Passwords())

    before = await door.is_fresh()
    await door.login("root@example.org", "chosen by the operator", Origin("127.0.0.1"))

    assert (before, await door.is_fresh()) == (True, False)
    await database.close()


async def test_a_given_password_is_taken_as_it_is(empty_url: str):
    answer = await ensure_first_administrator(empty_url, "root@example.org", "chosen by the operator")

    found = await person(empty_url)
    assert answer is None
    assert not found["must_change_password"]
    assert found["password_hash"].startswith("$argon2id$")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Parameters]]:
    """Every computation of argon2, with what makes it cost what it costs."""
    done: list[tuple[str, Parameters]] = []

    def verify(known: bytes, *rest: Any) -> bool:
        done.append(("verify", extract_parameters(known.decode())))
        return verify_secret(known, *rest)

    def hashed(*arguments: Any, **more: Any) -> bytes:
        made = hash_secret(*arguments, **more)
        done.append(("hash", extract_parameters(made.decode())))
        return made

    monkeypatch.setattr("argon2._password_hasher.verify_secret", verify)
    monkeypatch.setattr("argon2._password_hasher.hash_secret", hashed)
    return done


async def test_unknown_people_cost_the_same_work_as_wrong_passwords(work: list[tuple[str, Parameters]]):
    """C4: the same computation with the same parameters, from the first one on; a clock would only guess it."""
    passwords = Passwords()
    known = await passwords.hash("a passphrase")

    answers: list[tuple[bool, str | None]] = []
    costs: list[list[tuple[str, Parameters]]] = []
    for held in (known, None, known, None):
        work.clear()
        answers.append(await passwords.verify("another one", held))
        costs.append(list(work))

    assert answers == [(False, None)] * 4
    assert costs == [[("verify", extract_parameters(known))]] * 4


async def test_a_hash_with_older_parameters_is_renewed():
    """C4: upgraded at sign-in."""
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("a passphrase")

    is_right, renewed = await Passwords().verify("a passphrase", weak)

    assert is_right
    assert renewed is not None
    assert await Passwords().verify("a passphrase", renewed) == (True, None)


@pytest.mark.parametrize("password", ["", "1234567", "x" * 257, "ADA@example.org"])
def test_a_bad_password_is_refused(password: str):
    with pytest.raises(Invalid):
        check_new_password(password, "ada@example.org")


def test_generated_passwords_differ_and_are_good():
    first, second = generate_password(), generate_password()

    check_new_password(first, "ada@example.org")
    assert first != second
