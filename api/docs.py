"""The API's own pages, `/docs` and `/redoc`, from vendored assets: nothing leaves the page."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.dependencies import Public

router = APIRouter(include_in_schema=False, dependencies=[Public])

# Both draw with style elements of their own, which carry no nonce.
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)
SWAGGER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Windlass API</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/static/vendor/swagger-ui.css"></head>
<body><div id="ui"></div>
<script nonce="{nonce}" src="/static/vendor/swagger-ui-bundle.js"></script>
<script nonce="{nonce}">SwaggerUIBundle({{url: "/openapi.json", dom_id: "#ui", deepLinking: true}})</script>
</body></html>
"""
REDOC = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Windlass API</title><link rel="icon" href="data:,"></head>
<body><div id="ui"></div>
<script nonce="{nonce}" src="/static/vendor/redoc.standalone.js"></script>
<script nonce="{nonce}">
Redoc.init("/openapi.json", {{disableSearch: false, hideLoading: true}}, document.getElementById("ui"))
</script>
</body></html>
"""


@router.get("/docs")
async def swagger(request: Request) -> HTMLResponse:
    """The API to try out."""
    return _page(request, SWAGGER)


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """The API to read."""
    return _page(request, REDOC)


def _page(request: Request, template: str) -> HTMLResponse:
    nonce: str = request.state.nonce
    headers = {"content-security-policy": POLICY.format(nonce=nonce)}
    return HTMLResponse(template.format(nonce=nonce), headers=headers)
