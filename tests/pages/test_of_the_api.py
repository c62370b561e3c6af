"""The pages that describe the API, in a real browser."""

import pytest
from playwright.async_api import Browser

from tests.api.people import Gateway


@pytest.mark.parametrize(("path", "sign"), [("/docs", ".opblock"), ("/redoc", "[data-section-id]")])
async def test_the_apis_pages_draw_with_our_own_files(gateway: Gateway, chromium: Browser, path: str, sign: str):
    """M2: no request leaves the page."""
    asked: list[str] = []
    page = await chromium.new_page(locale="en-US")
    page.on("requestfinished", lambda request: asked.append(request.url))
    await page.goto(gateway.url + path)
    await page.locator(sign).first.wait_for(timeout=20_000)
    await page.close()

    outside = [url for url in asked if not url.startswith((gateway.url, "data:", "blob:"))]
    assert outside == []
    assert any(url.startswith(f"{gateway.url}/static/vendor/") for url in asked)
