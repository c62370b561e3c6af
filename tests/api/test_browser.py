"""Sessions of browsers: cookies, and pages of other sites that try to use them (controls D1, D2, D5)."""

import httpx
import pytest

from tests.api.people import PASSWORD, Gateway, Organisation, running_gateway, settings_for


async def signed_in(gateway: Gateway, organisation: Organisation, **headers: str) -> tuple[httpx.AsyncClient, str]:
    """A browser with a session cookie, and the token its pages send back."""
    browser = await gateway.browser()
    body = {"email": organisation.viewer.email, "password": PASSWORD, "web": True}
    answer = await browser.post("/v1/auth/login", json=body, headers={"origin": gateway.url, **headers})
    assert answer.status_code == 200, answer.text
    return browser, answer.json()["csrf_token"]


def rename(browser: httpx.AsyncClient, **headers: str) -> httpx.Request:
    """An unsafe request."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return browser.build_request("PATCH", "/v1/me", json={"name": "Viewer"}, headers=names)


async def test_a_browser_is_signed_in_by_cookie(gateway: Gateway, acme: Organisation):
    """D1."""
    browser, csrf = await signed_in(gateway, acme)

    me = await browser.get("/v1/me")
    changed = await browser.send(rename(browser, origin=gateway.url, x_csrf_token=csrf))

    assert me.json()["csrf_token"] == csrf
    assert (await acme.owner.http.get("/v1/me")).json()["csrf_token"] is None  # a bearer has no use for one
    assert changed.status_code == 200


async def test_the_cookie_is_closed_to_scripts_and_other_sites(gateway: Gateway, acme: Organisation):
    """D1: on plain http to this machine without Secure, and named after the port."""
    body = {"email": acme.viewer.email, "password": PASSWORD, "web": True}
    answer = await (await gateway.browser()).post("/v1/auth/login", json=body, headers={"origin": gateway.url})

    name, _, attributes = answer.headers["set-cookie"].partition("=")
    assert name == f"windlass-{gateway.url.rpartition(':')[2]}"
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in attributes.split(";")}
    assert "Secure" not in attributes
    assert answer.json()["refresh_token"] is None


async def test_over_https_the_cookie_is_bound_to_the_host(database_url: str, acme: Organisation):
    """D1: behind a proxy with a certificate."""
    async with running_gateway(settings_for(database_url, WINDLASS_PROXIES="127.0.0.1")) as proxied:
        browser = await proxied.browser(address="127.0.0.1")
        body = {"email": acme.viewer.email, "password": PASSWORD, "web": True}
        headers = {"x-forwarded-proto": "https", "host": "windlass.example", "origin": "https://windlass.example"}
        answer = await browser.post("/v1/auth/login", json=body, headers=headers)

    assert answer.headers["set-cookie"].startswith("__Host-windlass=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]


async def test_plain_http_to_another_machine_gets_no_cookie(gateway: Gateway, acme: Organisation):
    """D1."""
    body = {"email": acme.viewer.email, "password": PASSWORD, "web": True}
    headers = {"host": "windlass.example", "origin": "http://windlass.example"}
    answer = await (await gateway.browser()).post("/v1/auth/login", json=body, headers=headers)

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
        {"origin": "same", "sec_fetch_site": "cross-site"},
        {"origin": "same", "sec_fetch_site": "same-site"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://[x"},
    ],
)
async def test_a_page_of_another_site_changes_nothing(gateway: Gateway, acme: Organisation, headers: dict[str, str]):
    """D1: even with the right token."""
    browser, csrf = await signed_in(gateway, acme)
    sent = {name: gateway.url if value == "same" else value for name, value in headers.items()}

    answer = await browser.send(rename(browser, x_csrf_token=csrf, **sent))

    assert answer.status_code == 403


@pytest.mark.parametrize("token", ["", "0" * 64, "x"])
async def test_our_own_page_needs_its_token(gateway: Gateway, acme: Organisation, token: str):
    """D1."""
    browser, _ = await signed_in(gateway, acme)

    answer = await browser.send(rename(browser, origin=gateway.url, x_csrf_token=token))

    assert answer.status_code == 403


async def test_no_form_is_read_for_a_second_to_find_its_token(gateway: Gateway, acme: Organisation):
    """Others wait meanwhile."""
    browser, _ = await signed_in(gateway, acme)
    headers = {"origin": gateway.url, "content-type": "application/x-www-form-urlencoded"}

    answer = await browser.post("/theme", content="%41=%42&" * 100_000, headers=headers)

    assert (answer.status_code, "at most 2,000 fields" in answer.text) == (422, True)


async def test_a_token_of_another_session_does_not_fit(gateway: Gateway, acme: Organisation):
    """D1."""
    browser, _ = await signed_in(gateway, acme)
    _, other = await signed_in(gateway, acme)

    answer = await browser.send(rename(browser, origin=gateway.url, x_csrf_token=other))

    assert answer.status_code == 403


async def test_programs_with_a_token_need_none_of_this(acme: Organisation):
    """D1: bearer-only requests are unaffected, wherever they come from."""
    answer = await acme.viewer.http.send(rename(acme.viewer.http, origin="https://evil.example"))

    assert answer.status_code == 200


async def test_another_site_cannot_sign_a_browser_in(gateway: Gateway, acme: Organisation):
    """D1."""
    body = {"email": acme.viewer.email, "password": PASSWORD, "web": True}
    headers = {"origin": "https://evil.example"}
    answer = await (await gateway.browser()).post("/v1/auth/login", json=body, headers=headers)

    assert answer.status_code == 403


async def test_signing_out_takes_the_cookie_back(gateway: Gateway, acme: Organisation):
    """C3."""
    browser, csrf = await signed_in(gateway, acme)
    kept = dict(browser.cookies)

    answer = await browser.post("/v1/auth/logout", headers={"origin": gateway.url, "x-csrf-token": csrf})

    assert answer.status_code == 204
    assert dict(browser.cookies) == {}
    again = await gateway.browser(cookies=kept)
    assert (await again.get("/v1/me")).status_code == 401


async def test_every_answer_carries_the_headers_that_close_it(gateway: Gateway):
    """D2: also an error."""
    browser = await gateway.browser()
    answers = [await browser.get(path) for path in ("/health", "/v1/auth/login", "/nowhere", "/v1/me")]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'nonce-")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
    assert len({answer.headers["content-security-policy"] for answer in answers}) == len(answers)


async def test_other_origins_read_nothing_by_default(acme: Organisation):
    """D5."""
    answer = await acme.viewer.http.get("/v1/me", headers={"origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


async def test_an_origin_that_was_named_may_read_without_cookies(database_url: str):
    """D5."""
    origin = "https://app.example"
    preflight = {"origin": origin, "access-control-request-method": "POST"}
    async with running_gateway(settings_for(database_url, WINDLASS_CORS_ORIGINS=origin)) as open_one:
        browser = await open_one.browser()
        asked = await browser.options("/v1/runs", headers=preflight)
        named = await browser.get("/v1/me", headers={"origin": origin})
        other = await browser.get("/v1/me", headers={"origin": "https://evil.example"})

    assert asked.status_code == 200
    assert named.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in named.headers
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("place", ["//[x", "http://[x", "//evil.example", "/\\evil.example", "https:evil.example"])
async def test_no_form_and_no_link_sends_a_browser_elsewhere(gateway: Gateway, acme: Organisation, place: str):
    """C6."""
    browser, csrf = await signed_in(gateway, acme)
    headers = {"origin": gateway.url, "accept": "text/html", "x-csrf-token": csrf}

    sent = await browser.post("/theme", data={"back": place}, headers=headers)
    asked = await browser.get("/signin", params={"next": place}, headers=headers)

    assert (sent.status_code, sent.headers["location"]) == (303, "/")
    assert (asked.status_code, asked.headers["location"]) == (303, "/")


async def test_a_form_that_came_from_no_address_leads_to_the_first_page(gateway: Gateway):
    browser = await gateway.browser()
    headers = {"origin": gateway.url, "accept": "text/html", "referer": "http://[x"}

    sent = await browser.post("/theme", headers=headers)

    assert (sent.status_code, sent.headers["location"]) == (303, "/signin")


async def test_what_was_done_is_said_in_any_script(gateway: Gateway, acme: Organisation):
    browser, csrf = await signed_in(gateway, acme)
    headers = {"origin": gateway.url, "accept": "text/html", "x-csrf-token": csrf}
    form = {"name": "\u65e5\u672c_1; \U0001f600", "query": "?status=failed"}

    saved = await browser.post("/runs/views", data=form, headers=headers)
    shown = await browser.get("/runs", headers=headers)
    forgotten = await browser.post("/runs/views/forget", data=form, headers=headers)

    assert (saved.status_code, forgotten.status_code) == (303, 303)
    assert f"{form['name']} is saved" in shown.text
