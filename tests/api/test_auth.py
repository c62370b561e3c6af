"""Signing in and out: passwords, tokens, refresh, sessions."""

from tests.api.people import Gateway, Organisation


async def test_who_signed_in_finds_themselves(acme: Organisation):
    me = (await acme.builder.http.get("/v1/me")).json()

    assert me["person"]["email"] == acme.builder.email
    assert me["tenant"] == acme.builder.signed_in["tenant"]
    assert me["tenant"]["role"] == "builder"


async def test_nobody_is_told_to_sign_in(gateway: Gateway):
    answer = await (await gateway.browser()).get("/v1/me")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["title"] == "Not signed in"
