"""Questions put on record the way a host's reports put them there."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import RunId, TenantId, new_id
from windlass.core.executions import Executions
from windlass.forms import InputNumber, InputText, Model, Submit

FORM = Model(InputText("word", label="Word", required=True), InputNumber("n", label="N", min_value=1), Submit("Send"))


def question(key: str, *, seconds: float = 3600, **more: Any) -> NewEvent:
    """The event of an open question."""
    payload = {
        "question_id": str(new_id()),
        "key": key,
        "kind": "ask",
        "name": f"Really {key}?",
        "data": {"about": key},
        "elements": FORM.get_model(),
        "handled": False,
        "expires_at": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
        "state": "open",
    } | more
    return NewEvent(EventKind.QUESTION, payload, f"question:{key}:1.0", 1)


async def ask(executions: Executions, tenant_id: TenantId, run_id: RunId, key: str = "a", **more: Any) -> UUID:
    """Take a run over and put a question on record."""
    attached = await executions.attach(tenant_id, run_id, 1)
    assert attached is not None
    event = question(key, **more)
    assert await executions.append(tenant_id, run_id, attached.epoch, [event])
    return UUID(event.payload["question_id"])
