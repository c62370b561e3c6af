"""Access tokens: refused unless every detail is ours (C1)."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from windlass.contracts.ids import new_id
from windlass.core.errors import Unauthenticated
from windlass.core.identity.tokens import Claims, Tokens, WeakSecret, derive

SECRET = b"0123456789abcdef0123456789abcdef"
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLAIMS = Claims(new_id(), new_id(), new_id())


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tokens(clock: Clock, minutes: int = 120) -> Tokens:
    return Tokens(SECRET, timedelta(minutes=minutes), clock)


def forged(clock: Clock, *, header: dict[str, Any] | None = None, drop: str = "", **claims: Any) -> str:
    """A token signed with the right key in which one thing is wrong."""
    good = tokens(clock).issue(CLAIMS)
    head = jwt.get_unverified_header(good) | (header or {})
    body: dict[str, Any] = jwt.decode(good, options={"verify_signature": False}) | claims
    body.pop(drop, None)
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, body)]
    signature = jwt.get_algorithm_by_name("HS256").sign(b".".join(parts), derive(SECRET, "access-token"))
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_a_token_states_what_it_was_made_for(clock: Clock):
    """C1."""
    assert tokens(clock).read(tokens(clock).issue(CLAIMS)) == CLAIMS
    assert tokens(clock).read(forged(clock)) == CLAIMS


@pytest.mark.parametrize("minutes", [120, 10])
def test_a_token_ends_with_its_lifetime(clock: Clock, minutes: int):
    """C1: 120 minutes, or what is set."""
    ours = tokens(clock, minutes)
    token = ours.issue(CLAIMS)

    clock.now = START + timedelta(minutes=minutes) - timedelta(seconds=1)
    assert ours.read(token) == CLAIMS
    clock.now += timedelta(seconds=2)
    with pytest.raises(Unauthenticated):
        ours.read(token)


def test_a_shorter_lifetime_ends_tokens_that_were_promised_a_longer_one(clock: Clock):
    """C1: `exp - iat` is never above the setting, whatever the token says."""
    token = tokens(clock, 120).issue(CLAIMS)

    with pytest.raises(Unauthenticated):
        tokens(clock, 10).read(token)


@pytest.mark.parametrize(
    "wrong",
    [
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS512"}},
        {"header": {"typ": "JWT"}},
        {"header": {"kid": "../../x"}},
        {"header": {"kid": ["x"]}},
        {"header": {"jku": "https://example.org/keys"}},
        {"header": {"jwk": {"kty": "oct", "k": "eA"}}},
        {"aud": "somebody"},
        {"iss": "somebody"},
        {"exp": (START + timedelta(days=365)).timestamp()},
        {"exp": "soon"},
        {"nbf": (START + timedelta(minutes=5)).timestamp()},
        {"sid": "1"},
        *({"drop": name} for name in ("iss", "aud", "exp", "nbf", "iat", "sub", "sid", "tid")),
    ],
    ids=str,
)
def test_a_token_with_one_wrong_detail_is_refused(clock: Clock, wrong: dict[str, Any]):
    """C1."""
    with pytest.raises(Unauthenticated):
        tokens(clock).read(forged(clock, **wrong))


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "é.é.é", "." * 1000])
def test_what_is_no_token_is_refused(clock: Clock, text: str):
    """C1."""
    with pytest.raises(Unauthenticated):
        tokens(clock).read(text)


def test_a_token_without_signature_is_refused(clock: Clock):
    """C1: algorithm `none`."""
    good = tokens(clock).issue(CLAIMS)
    body = jwt.decode(good, options={"verify_signature": False})
    head = jwt.get_unverified_header(good)

    with pytest.raises(Unauthenticated):
        tokens(clock).read(jwt.encode(body, "", "none", headers={"kid": head["kid"], "typ": head["typ"]}))


def test_a_public_key_is_no_secret(clock: Clock):
    """C1: HS256 signed with an RSA public key, the oldest trick."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    first, second, _ = tokens(clock).issue(CLAIMS).split(".")
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{first}.{second}".encode(), pem)

    with pytest.raises(Unauthenticated):
        tokens(clock).read(f"{first}.{second}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}")


@pytest.mark.parametrize("secret", [b"", b"short", b"a" * 64, b"0123456789abcdef0123456789abcde"])
def test_a_weak_secret_is_refused_at_the_start(clock: Clock, secret: bytes):
    """C1, I5: the library only warns."""
    with pytest.raises(WeakSecret, match="openssl"):
        Tokens(secret, timedelta(minutes=120), clock)
