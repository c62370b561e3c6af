"""What agents and people write can do nothing in somebody's browser; forms of other sites neither."""

import httpx
from playwright.async_api import expect

from tests.api.people import Gateway
from tests.pages.consoles import Console, Play
from windlass.contracts.events import EventKind

CORPUS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    '"><svg onload=alert(3)>',
    "'-alert(4)-'",
    "{{ 7 * 7 }}{% raw %}",
    "</textarea></title><script>alert(5)</script>",
    "[a](javascript:alert(6))",
    "</template><script>alert(7)</script>",
    "\u202egnp.exe\r\ndata: <script>alert(8)</script>",
    "\x1b]52;c;aGVsbG8=\x07\x1b]8;;javascript:alert(9)\x07link\x1b]8;;\x07",
)


async def say_everything(run: Play, evil: str) -> None:
    """Put one text wherever an agent can put text."""
    await run.start(evil, args=evil)
    for kind in (EventKind.STDOUT, EventKind.STDERR, EventKind.DEBUG):
        await run.tell(kind, text=evil)
    await run.tell(EventKind.RESULT, Markdown={"body": evil})
    await run.tell(EventKind.RESULT, dict={evil: evil})
    await run.tell(EventKind.RESULT, **{"__list__": [{"dict": {evil: evil}}]})
    await run.write(evil[:40], 0, evil)
    await run.tell(EventKind.MESSAGE, role="assistant", item=evil[:40], model=evil, text=evil, standin=False)
    await run.finish(evil, args=evil)


async def test_hostile_text_stays_text(console: Console):
    lines = [evil.replace("\r\n", " ") for evil in CORPUS]
    runs = [await console.run(title=line, tags=[line[:60]], inputs={"prompt": line}) for line in lines]
    run = runs[-1]
    page = await console.open(run.path)
    await run.begin()
    for evil in CORPUS:
        await say_everything(run, evil)
    await run.fail(CORPUS[0], CORPUS[1])
    await expect(page.locator("#stream")).to_contain_text("Up to date")

    scripts = [await page.locator("script").count()]
    views = ("", "?tab=events", "?tab=output", "?tab=inputs", "?tab=cost", "/retry")
    for path in (
        *(f"{run.path}{view}" for view in views),
        "/",
        "/runs",
        "/audit",
        "/dashboard",
        "/find?q=alert",
        f"/start?from={run.id}",
    ):
        await console.open(path)
        scripts.append(await page.locator("script").count())

    assert set(scripts) == {1}
    assert await page.locator("svg[onload], img[onerror], a[href^=javascript]").count() == 0


async def test_html_of_an_agent_has_no_power(console: Console):
    run = await console.run()
    await run.begin()
    body = "<h1>Report</h1><script>parent.document.title='owned';alert(1)</script><form action=/signout method=post>"
    await run.tell(EventKind.RESULT, HTML={"body": body + "<img src=https://evil.example/pixel.png>"})
    await run.end()
    page = await console.open(f"{run.path}?tab=output")

    frame = page.frame_locator("iframe")
    await expect(frame.get_by_role("heading", name="Report")).to_be_visible()
    assert "owned" not in await page.title()
    source = await page.locator("iframe").get_attribute("src")
    answer = await console.person.http.get(str(source))
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    console.complaints[:] = [text for text in console.complaints if "evil.example" not in text]  # refused, and said so


async def test_every_page_has_a_policy_without_inline_styles(gateway: Gateway):
    acme_owner = await gateway.sign_up("Ada")
    visitor = await gateway.browser()
    for http, path in ((visitor, "/signin"), (acme_owner.http, "/runs"), (acme_owner.http, "/nothing")):
        answer = await http.get(path, headers={"accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


async def cookie_client(console: Console) -> httpx.AsyncClient:
    """The cookies of the browser in another hand."""
    cookies = {cookie["name"]: cookie["value"] for cookie in await console.page.context.cookies()}  # pyright: ignore[reportTypedDictNotRequiredAccess]
    return httpx.AsyncClient(base_url=console.gateway.url, cookies=cookies)


async def test_a_form_of_another_site_changes_nothing(console: Console):
    run = await console.run()
    await run.begin()
    async with await cookie_client(console) as http:
        origin = {"origin": console.gateway.url}
        foreign = await http.post(f"{run.path}/cancel", headers={"origin": "https://evil.example"})
        without_token = await http.post(f"{run.path}/cancel", headers=origin)
        without_origin = await http.post(f"{run.path}/cancel", data={"csrf_token": "x"})

    assert [foreign.status_code, without_token.status_code, without_origin.status_code] == [403, 403, 403]
    assert (await console.person.http.get(f"/v1{run.path}")).json()["status"] == "running"


async def test_signing_in_from_another_site_is_refused(gateway: Gateway):
    person = await gateway.sign_up("Ada")
    form = {"email": person.email, "password": person.password}
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        foreign = await http.post("/signin", data=form, headers={"origin": "https://evil.example"})
        nowhere = await http.post("/signin", data=form)

    assert (foreign.status_code, nowhere.status_code) == (403, 403)


async def test_a_sign_in_never_leads_to_another_site(console: Console):
    page = await console.open("/signin?next=//evil.example/")

    assert page.url == f"{console.gateway.url}/"


async def test_another_tenants_run_is_not_streamed(console: Console, gateway: Gateway):
    other = await gateway.sign_up("Bob")
    run = (await other.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "x"}})).json()["id"]
    async with await cookie_client(console) as http:
        answer = await http.get(f"/ui/stream?topics=run:{run}")

    assert answer.status_code == 404
