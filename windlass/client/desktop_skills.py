"""The calls of skills."""

from windlass.client.calls import Call, nothing, segment
from windlass.client.records import DesktopSkill, Page

PATH = "/v1/desktop-skills"


def list_skills() -> Call[Page[DesktopSkill]]:
    """All skills of the organisation."""
    return Call("GET", PATH, Page[DesktopSkill].model_validate)


def get_skill(name: str) -> Call[DesktopSkill]:
    """A skill."""
    return Call("GET", f"{PATH}/{segment(name)}", DesktopSkill.model_validate)


def put_skill(name: str, text: str) -> Call[DesktopSkill]:
    """Write a skill down."""
    return Call("PUT", f"{PATH}/{segment(name)}", DesktopSkill.model_validate, {"text": text})


def delete_skill(name: str) -> Call[None]:
    """Delete a skill."""
    return Call("DELETE", f"{PATH}/{segment(name)}", nothing)
