"""The templates: autoescaped, strict about names, compiled once per process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.pages.assets import MODULES, Assets

FOLDER = Path(__file__).parent.parent / "templates"


class Templates:
    """Renders the files of `api/templates`."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
            auto_reload=False,
        )
        known: Any = self._environment.globals  # typed by jinja2 for its own values only
        known.update(asset=assets.url, modules=MODULES)

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """The text of a template with these values."""
        return self._environment.get_template(name).render(values)

    def macro(self, file: str, name: str, *values: Any) -> str:
        """The text of one component."""
        module = self._environment.get_template(f"components/{file}.html").module
        return str(getattr(module, name)(*values))
