"""Templates: pages of a service's own routes, drawn by Jinja2, which the service asks for."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

Folder = str | PathLike[str]
MISSING = "Templates need Jinja2. Write jinja2 into the service's requirements.txt or pyproject.toml, and refresh it."


class Templates:
    """Jinja2's templates in folders of the service, every value in them escaped unless an `env` of its own is given.

    In them `url_for(name)` is the address of a route, and `static(path)` that of a file of Windlass's own pages.
    """

    def __init__(self, directory: Folder | Sequence[Folder], **more: Any) -> None:
        try:
            from starlette.templating import Jinja2Templates  # noqa: PLC0415 - few services have pages of their own
        except ImportError as error:
            raise ImportError(MISSING) from error
        self._drawn = Jinja2Templates(directory, **more)
        self.env = self._drawn.env
        if "env" not in more:
            self.env.autoescape = True  # Starlette's default escapes by the end of a name, and not in `page.html.j2`
        cast("dict[str, Any]", self.env.globals)["static"] = self.static

    def static(self, path: str) -> str:
        """The address of a file that Windlass's own pages use, such as its style sheet."""
        return f"/static/{path.lstrip('/')}"

    def get_template(self, name: str) -> Any:
        """One template. Raises what Jinja2 raises when there is none."""
        return self._drawn.get_template(name)

    def TemplateResponse(self, *given: Any, **more: Any) -> Response:  # noqa: N802 - as Starlette calls it
        """A page: `TemplateResponse(request, name, context)`, or with the name first and the request in the context."""
        words = dict(zip(("request", "name", "context", "status_code", "headers", "media_type"), given, strict=False))
        if given and isinstance(given[0], str):
            words = dict(zip(("name", "context", "status_code", "headers", "media_type"), given, strict=False))
        words |= more
        context = dict(cast("Mapping[str, Any]", words.pop("context", None) or {}))
        request: Request = words.pop("request", None) or context["request"]
        return self._drawn.TemplateResponse(request, words.pop("name"), context, **words)
