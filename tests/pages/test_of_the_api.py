"""The pages that describe the API, in a real browser."""

import pytest
from fastapi.openapi.utils import get_openapi
from playwright.async_api import Browser, Route

from api.routes import runs
from tests.api.people import Gateway


async def describe_runs(route: Route) -> None:
    """Describe what is under runs alone: to draw all there is costs twelve core-seconds a page, and shows no more."""
    await route.fulfill(json=get_openapi(title="Windlass", version="1", routes=runs.router.routes))


@pytest.mark.parametrize(("path", "sign"), [("/docs", ".opblock"), ("/redoc", "[data-section-id]")])
async def test_the_apis_pages_draw_with_our_own_files(gateway: Gateway, chromium: Browser, path: str, sign: str):
    """M2: no request leaves the page."""
    asked: list[str] = []
    page = await chromium.new_page(locale="en-US")
    page.on("requestfinished", lambda request: asked.append(request.url))
    await page.route("**/openapi.json", describe_runs)
    await page.goto(gateway.url + path)
    await page.locator(sign).first.wait_for(timeout=20_000)
    await page.close()

    outside = [url for url in asked if not url.startswith((gateway.url, "data:", "blob:"))]
    assert outside == []
    assert f"{gateway.url}/openapi.json" in asked
    assert any(url.startswith(f"{gateway.url}/static/vendor/") for url in asked)
