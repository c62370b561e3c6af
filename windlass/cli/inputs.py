"""Inputs on the command line: `key=value`, `key=@file`, `key:=JSON`, and `--inputs JSON|@file`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import typer


def parse_inputs(pairs: Sequence[str], whole: str | None) -> dict[str, Any]:
    """Read the inputs of a run; pairs win over the whole, a repeated key makes a list."""
    inputs = _object(whole) if whole else {}
    seen: set[str] = set()
    for pair in pairs:
        name, content = _pair(pair)
        if name in seen:
            known = inputs[name]
            inputs[name] = [*(cast(list[Any], known) if isinstance(known, list) else [known]), content]
        else:
            inputs[name] = content
        seen.add(name)
    return inputs


def _pair(pair: str) -> tuple[str, Any]:
    name, sign, text = pair.partition("=")
    if not sign or name in ("", ":"):
        raise typer.BadParameter(f"{pair!r} is not key=value, key=@file or key:=JSON.")
    if name.endswith(":"):
        return name[:-1], _json(text, name[:-1])
    return name, _file(text[1:]) if text.startswith("@") else text


def _object(whole: str) -> dict[str, Any]:
    read = _json(_file(whole[1:]) if whole.startswith("@") else whole, "--inputs")
    if not isinstance(read, dict):
        raise typer.BadParameter("--inputs must be a JSON object.")
    return cast(dict[str, Any], read)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{name} is not JSON: {error}.") from error


def _file(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{name} cannot be read as text: {error}.") from error
