"""Templates of a service: as Starlette's, and as services were written that came from Kodosumi."""

import sys
from pathlib import Path

import pytest
from fastapi import Request, Response
from starlette.testclient import TestClient

from windlass import ServeAPI, Templates

PAGE = '<link href="{{ static("app.css") }}"><a href="{{ url_for("home") }}">{{ word }}</a>'
DRAWN = '<link href="/static/app.css"><a href="http://testserver/">&lt;b&gt;</a>'


@pytest.fixture
def app(tmp_path: Path) -> ServeAPI:
    for name in ("page.html", "page.html.j2"):
        (tmp_path / name).write_text(PAGE)
    app, templates = ServeAPI(), Templates(directory=[tmp_path])

    @app.get("/")
    async def home(request: Request) -> Response:
        return templates.TemplateResponse(request, "page.html", {"word": "<b>"}, status_code=201)

    @app.get("/old")
    async def old(request: Request) -> Response:
        return templates.TemplateResponse("page.html.j2", {"request": request, "word": "<b>"}, status_code=201)

    return app


def test_a_page_is_drawn_however_its_template_is_named(app: ServeAPI):
    client = TestClient(app)

    answers = [client.get(path) for path in ("/", "/old")]

    assert [(answer.status_code, answer.text) for answer in answers] == [(201, DRAWN)] * 2


def test_a_service_without_jinja2_is_told_to_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "starlette.templating", None)

    with pytest.raises(ImportError, match=r"jinja2 into the service's requirements\.txt"):
        Templates(tmp_path)
