"""Errors as pages: what happened, what was kept, what to do next."""

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.authentication import parts_of
from api.errors import Problem
from api.pages.rendering import bare_page

PASSWORD_TYPE = "urn:windlass:problem:password-change-required"  # noqa: S105 - a problem's type
NOT_PAGES = ("/v1/", "/compat/", "/assets/", "/static/", "/health", "/ready", "/metrics", "/openapi.json", "/ui/")


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The words of an error panel."""

    title: str
    happened: str
    kept: str
    next: str


def render_problem(request: Request, problem: Problem) -> Response:
    """The problem as a page where a person looks, as JSON where a program asks."""
    if not wants_page(request):
        return problem.response()
    if problem.status == HTTPStatus.UNAUTHORIZED:
        return to_sign_in(request)
    if problem.type == PASSWORD_TYPE:
        return RedirectResponse("/password", 303)
    answer = bare_page(
        request, "error.html", {"page": words(problem), "problem": problem, "back": back(request)}, problem.status
    )
    answer.headers.update(problem.headers)
    return answer


def wants_page(request: Request) -> bool:
    """Whether a person looks at this with a browser."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(NOT_PAGES)


def to_sign_in(request: Request) -> Response:
    """Ask for the password, then go on where the person wanted to go: after a form, where it stood."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method != "GET":
        form = parts_of(request.headers.get("referer", ""))
        is_ours = form.netloc == request.headers.get("host")
        wanted = f"{form.path}?{form.query}".rstrip("?") if is_ours else "/"
    if wanted in ("", "/"):
        return RedirectResponse("/signin", 303)
    return RedirectResponse(f"/signin?next={quote(wanted)}", 303)


def back(request: Request) -> str:
    """Where "Back" leads."""
    return request.url.path if request.method == "GET" and request.url.query else "/"


def words(problem: Problem) -> ErrorPage:
    """What to say about a problem."""
    if problem.status == HTTPStatus.NOT_FOUND:
        return ErrorPage(
            "Not found",
            "There is nothing at this address, or it is not yours to see.",
            "Nothing was changed.",
            "Check the address, or look for it under Runs.",
        )
    if problem.status == HTTPStatus.FORBIDDEN:
        return ErrorPage("Not allowed", problem.detail, "Nothing was changed.", "Ask an administrator for the role.")
    if problem.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY):
        return ErrorPage(
            "Not available at the moment",
            problem.detail,
            "Everything that was recorded. Running agents wait, none is lost.",
            "Reload in a moment. `windlass doctor` says what is missing.",
        )
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ErrorPage(
            "Something went wrong here",
            problem.detail,
            "Everything that was recorded before this request.",
            "Try again. If it stays, give the request id to whoever runs this installation.",
        )
    details = " ".join(f"{error.field}: {error.message}." for error in problem.errors)
    text = f"{problem.detail} {details}".strip()
    return ErrorPage(problem.title, text, "Nothing was changed.", "Go back and change it, or reload the page.")
