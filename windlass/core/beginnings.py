"""What a run begins with, beside its row: kept steps, a decision, answers, and the task it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from windlass.contracts.events import Payload
from windlass.contracts.ids import RunId, TenantId
from windlass.core.database import Connection

COPY_LAUNCH = "update run set launch = (select launch from run where id = $2) where id = $1"
ADD_ORIGIN = """
insert into task_run (root_id, tenant_id, task_id, version, parameters, schedule_id, firing_id)
values ($1, $2, $3, $4, $5, $6, $7)
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """The task a run is made of: which version, with which parameters; and the firing that asked for it."""

    task_id: UUID
    version: int
    parameters: Payload = field(default_factory=dict[str, Any])
    schedule_id: UUID | None = None
    firing_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Beginning:
    """The steps kept of an earlier try, a handler's decision, the answers an earlier try `of` it was given `before`.

    Its files are those of `uploads`, or those that the try `files_of` began with. `sealed`: its inputs as they were
    filled in, where they hold passwords; bound to the first of its tries, `root_id`.
    `typed_by`: the person who did, if it is not who starts it.
    """

    kept: list[str] | None = None
    launch: Payload | None = None
    of: RunId | None = None
    before: datetime | None = None
    uploads: tuple[UUID, ...] = ()
    files_of: RunId | None = None
    origin: Origin | None = None
    sealed: bytes | None = field(default=None, repr=False)
    root_id: RunId | None = None
    typed_by: str = ""

    def root(self, row: Mapping[str, Any]) -> UUID:
        """The first of the tries that the run of this row is one of."""
        return self.root_id or UUID(row["id"])

    async def record(self, connection: Connection, tenant_id: TenantId, run_id: UUID) -> None:
        """Write it beside the run's row."""
        if self.launch is not None:
            await connection.execute("update run set launch = $2 where id = $1", run_id, self.launch)
        if self.sealed is not None:
            await connection.execute("update run set sealed = $2 where id = $1", run_id, self.sealed)
        if self.of is not None:
            await connection.execute(COPY_LAUNCH, run_id, self.of)
            await connection.execute("select copy_answers($1, $2, $3)", self.of, run_id, self.before)
        if self.uploads or self.files_of is not None:
            given = (list(self.uploads), self.files_of)
            await connection.execute("select give_run_files($1, $2, $3, $4)", tenant_id, run_id, *given)
        if self.origin is not None:
            facts = (self.origin.task_id, self.origin.version, self.origin.parameters)
            asked = (self.origin.schedule_id, self.origin.firing_id)
            await connection.execute(ADD_ORIGIN, run_id, tenant_id, *facts, *asked)
