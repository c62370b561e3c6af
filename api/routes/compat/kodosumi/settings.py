"""Kodosumi's one configuration of all exposes: of it the variables, and how many replicas there are."""

from typing import Any

import yaml
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field, ValidationError

from api.bodies import Body, fields_of
from api.dependencies import EngineDep
from api.routes.compat.kodosumi.exposes import Deployment, plain
from api.routes.compat.kodosumi.words import PREFIX
from api.routes.services import EnvName, EnvValue, ServiceWriter
from windlass.core.errors import FieldError, Invalid
from windlass.core.service_defaults import NewDefaults

router = APIRouter(prefix=PREFIX, tags=["compat"])

LONGEST = 20_000
CONFIG = {
    "type": "object",
    "properties": {"config": {"type": "string", "minLength": 1, "maxLength": LONGEST}},
    "required": ["config"],
}
FORM: dict[str, Any] = {
    "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": CONFIG}}, "required": True}
}


class SharedEnvironment(Body):
    """Variables of all exposes; one without a value keeps the one it has."""

    env_vars: dict[EnvName, EnvValue | None] = Field(default_factory=dict[str, str | None], max_length=100)


class Globals(Body):
    """What of the configuration has a meaning here."""

    runtime_env: SharedEnvironment = Field(default_factory=SharedEnvironment)
    deployments: list[Deployment] = Field(default_factory=list[Deployment], max_length=1)

    def wish(self, memory_mib: int | None) -> NewDefaults:
        """The defaults that are meant; secrets and limits, of which it knows nothing, stay."""
        replicas = self.deployments[0].num_replicas if self.deployments else 1
        return NewDefaults(self.runtime_env.env_vars, None, replicas, memory_mib)


@router.post("/admin/expose/globals", response_class=RedirectResponse, status_code=303, openapi_extra=FORM)
async def keep(request: Request, caller: ServiceWriter, engine: EngineDep) -> Response:
    """Have what the YAML in `config` says as the defaults of all services; a key without meaning here is named."""
    known = await engine.service_defaults.get(caller)
    await engine.service_defaults.put(caller, _read(request.state.body).wish(known.memory_mib))
    return RedirectResponse("/services/defaults", 303)


def _read(body: bytes) -> Globals:
    """What the configuration says. Raises Invalid."""
    try:
        text = fields_of(body.decode(errors="replace"), 20).get("config", [""])[0]
        if not 0 < len(text) <= LONGEST:
            raise Invalid("Nothing was changed.", (FieldError("config", "is missing, or too long"),))
        said = plain(text)
        return Globals.model_validate({} if said is None else said)
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        named = wrong.errors() if isinstance(wrong, ValidationError) else ()
        found = tuple(FieldError(".".join(("config", *map(str, each["loc"]))), each["msg"]) for each in named)
        raise Invalid(
            "Nothing was changed.", found or (FieldError("config", "must be YAML without aliases"),)
        ) from None
