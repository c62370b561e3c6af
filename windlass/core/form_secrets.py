"""What was filled in with passwords: kept sealed beside the values that are shown, which hold a mask in their place."""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson

from windlass.contracts.events import Payload
from windlass.contracts.ids import TenantId
from windlass.core.agents import Agents
from windlass.core.beginnings import Beginning
from windlass.core.callers import Caller
from windlass.core.masks import Elements, covered, passwords, uncovered
from windlass.core.vault import SecretSealed, Vault

TASK = "task"
LOST = "A password that was filled in cannot be opened: it was sealed with another secret key. Fill it in again."


@dataclass(frozen=True, slots=True)
class Kept:
    """The values as they were filled in, by whom; and what a handler made of them: a decision, a result."""

    inputs: Payload = field(repr=False)
    by: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    made: Any = field(default=None, repr=False)

    def is_of(self, caller: Caller) -> bool:
        """Whether the caller typed the passwords: nobody else sends them anywhere new."""
        return self.by == str(caller.person_id)


class FormSecrets:
    """Seals and opens what was filled in, bound to its tenant and to what it belongs to."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def kept(self, caller: Caller, elements: Elements, values: Payload, made: Any = None) -> Kept | None:
        """What has to be sealed of values that the caller typed; None: the form found no password in them."""
        found = tuple(str(each) for each in passwords(elements, values).values())
        return Kept(values, str(caller.person_id), found, made) if found else None

    def seal(self, tenant_id: TenantId, place: str, kept: Kept) -> bytes:
        """As it may be stored at that place."""
        content = {"inputs": kept.inputs, "by": kept.by, "secrets": kept.secrets, "made": kept.made}
        return self.seal_json(tenant_id, place, content)

    def open(self, tenant_id: TenantId, place: str, sealed: bytes) -> Kept:
        """What was sealed at that place. Raises SecretSealed."""
        try:
            content = self.open_json(tenant_id, place, sealed)
        except SecretSealed as error:
            raise SecretSealed(LOST) from error
        return Kept(content["inputs"], content["by"], tuple(content["secrets"]), content["made"])

    def seal_json(self, tenant_id: TenantId, place: str, content: Any) -> bytes:
        """Any JSON as it may be stored at that place."""
        return self._vault.seal(tenant_id, f"form/{place}", {"json": orjson.dumps(content).decode()})

    def open_json(self, tenant_id: TenantId, place: str, sealed: bytes) -> Any:
        """The JSON that was sealed at that place. Raises SecretSealed."""
        return orjson.loads(self._vault.open(tenant_id, f"form/{place}", sealed)["json"])

    def cover(
        self, caller: Caller, elements: Elements, row: dict[str, Any], beginning: Beginning
    ) -> tuple[dict[str, Any], Beginning]:
        """A new run's row and beginning as they may be stored; without passwords as they are."""
        kept = self.kept(caller, elements, row["inputs"], beginning.launch)
        if kept is None:
            return row, beginning
        kept = replace(kept, by=beginning.typed_by or kept.by)
        sealed = self.seal(caller.tenant_id, run_place(beginning.root(row)), kept)
        return {**row, "inputs": covered(elements, row["inputs"])}, replace(beginning, launch=None, sealed=sealed)

    def again(self, caller: Caller, kept: Kept | None, beginning: Beginning) -> Beginning:
        """The beginning of a further try with the inputs that an earlier one kept."""
        if kept is None or beginning.root_id is None:
            return beginning
        place = run_place(beginning.root_id)
        sealed = self.seal(caller.tenant_id, place, replace(kept, made=beginning.launch))
        return replace(beginning, launch=None, sealed=sealed)


@dataclass(frozen=True, slots=True)
class Forms:
    """The agents with their forms, and what seals the passwords that are filled in."""

    agents: Agents
    secrets: FormSecrets


def typed(caller: Caller, elements: Elements, inputs: Payload, kept: Kept | None) -> Payload:
    """The inputs with the passwords that the caller typed before where they hold the mask."""
    return inputs if kept is None or not kept.is_of(caller) else uncovered(elements, inputs, kept.inputs)


def run_place(root_id: UUID | str) -> str:
    """Where the inputs of a run are sealed: all tries of one root have the same place."""
    return f"run/{root_id}"


def step_place(root_id: UUID | str, key: str) -> str:
    """Where the result of a step is."""
    return f"run/{root_id}/step/{key}"


def question_place(root_id: UUID | str, key: str) -> str:
    """Where the answer to a question is."""
    return f"run/{root_id}/question/{key}"


def answer_place(root_id: UUID | str, key: str) -> str:
    """Where what a handler made of an answer later is."""
    return f"run/{root_id}/answer/{key}"
