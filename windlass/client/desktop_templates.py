"""The calls of templates of desktops."""

from windlass.client.calls import Call, nothing, segment
from windlass.client.records import DesktopTemplate, Json, Page

PATH = "/v1/desktop-templates"


def list_templates() -> Call[Page[DesktopTemplate]]:
    """All templates one may choose from."""
    return Call("GET", PATH, Page[DesktopTemplate].model_validate)


def get_template(name: str) -> Call[DesktopTemplate]:
    """A template."""
    return Call("GET", f"{PATH}/{segment(name)}", DesktopTemplate.model_validate)


def put_template(name: str, made_of: Json, if_match: str | None) -> Call[DesktopTemplate]:
    """Write a template down, whole."""
    return Call("PUT", f"{PATH}/{segment(name)}", DesktopTemplate.model_validate, made_of, if_match=if_match)


def delete_template(name: str) -> Call[None]:
    """Delete one of one's own."""
    return Call("DELETE", f"{PATH}/{segment(name)}", nothing)
