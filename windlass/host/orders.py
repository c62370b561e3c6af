"""What a driver wants executed, and the request a flow's handler sees."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from windlass.host.wire import Message
from windlass.service import ServeAPI
from windlass.tracer import RunFacts


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt of one run."""

    run_id: str
    flow: str
    inputs: Mapping[str, Any]
    tenant_id: str | None = None
    user_id: str | None = None
    agent: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    epoch: int = 0
    attempt: int = 1
    base_url: str | None = None
    launch: Mapping[str, Any] | None = None  # what the flow's handler has decided already
    files: Mapping[str, str] | None = field(default=None, repr=False)  # where its files are, and the token for them

    @classmethod
    def read(cls, message: Message) -> "Order":
        """From the `run` of an attach; a `ValueError` when something is missing."""
        sent: dict[str, Any] = {"inputs": {}, **(message.get("run") or {})}
        if not isinstance(sent.get("run_id"), str) or not isinstance(sent.get("flow"), str):
            raise ValueError("attach needs a run with run_id and flow")
        known: dict[str, Any] = {name: sent[name] for name in cls.__slots__ if sent.get(name) is not None}
        return cls(**known)

    def facts(self) -> RunFacts:
        """What the agent may know."""
        return RunFacts(self.run_id, self.tenant_id, self.user_id, self.agent, self.attempt)

    def request(self, app: ServeAPI) -> Request:
        """The POST a handler would have got over HTTP."""
        body = json.dumps(dict(self.inputs)).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": self.flow,
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in self._headers().items()],
            "app": app,
            "state": {**app.yielded, "user": self.user_id, "prefix": self.base_url},
        }
        return Request(scope, receive)

    def _headers(self) -> dict[str, str]:
        extra = json.dumps(dict(self.extra)) if self.extra else None
        sent = {
            "content-type": "application/json",
            "x-windlass-run": self.run_id,
            "x-windlass-tenant": self.tenant_id,
            "x-windlass-user": self.user_id,
            "x-windlass-base": self.base_url,
            "x-windlass-extra": extra,
            "x-kodosumi_user": self.user_id,
            "x-kodosumi_base": self.base_url,
            "x-kodosumi_extra": extra,
        }
        return {name: value for name, value in sent.items() if value is not None}
