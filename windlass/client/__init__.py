"""The gateway over HTTP: `Client` and `AsyncClient`: runs, tasks, schedules, agents, services, desktops, sessions.

with Client("http://127.0.0.1:8700", api_key="wl_…") as client:
    run = client.runs.start("claude", {"prompt": "Hello"})
    for event in client.runs.stream(run.id):
        print(event.kind, event.payload)
"""

from windlass.client.archive import Archived, RunChanges
from windlass.client.asynchronous import AsyncClient
from windlass.client.boot import Boot, BootMessage, BootState
from windlass.client.credentials import Credentials, CredentialStore
from windlass.client.dashboard import Dashboard
from windlass.client.errors import ApiError, FieldProblem, Unreachable
from windlass.client.files import FileLink, Moved, RunFile, Upload, UploadFile
from windlass.client.maintenance import SystemReport, SystemSchedule
from windlass.client.members import Invitation
from windlass.client.records import (
    Agent,
    Desktop,
    DesktopSkill,
    DesktopTemplate,
    Event,
    Firing,
    Grant,
    Key,
    McpServer,
    McpTool,
    McpTools,
    Me,
    Member,
    Page,
    Person,
    Plan,
    Preview,
    Question,
    Result,
    Run,
    SavedAgent,
    Schedule,
    Screenshot,
    Service,
    Task,
    TaskRuns,
    Tenant,
)
from windlass.client.service_defaults import ServiceDefaults
from windlass.client.sessions import Message, Session
from windlass.client.settings import Setting
from windlass.client.sync import Client

__all__ = [
    "Agent",
    "ApiError",
    "Archived",
    "AsyncClient",
    "Boot",
    "BootMessage",
    "BootState",
    "Client",
    "CredentialStore",
    "Credentials",
    "Dashboard",
    "Desktop",
    "DesktopSkill",
    "DesktopTemplate",
    "Event",
    "FieldProblem",
    "FileLink",
    "Firing",
    "Grant",
    "Invitation",
    "Key",
    "McpServer",
    "McpTool",
    "McpTools",
    "Me",
    "Member",
    "Message",
    "Moved",
    "Page",
    "Person",
    "Plan",
    "Preview",
    "Question",
    "Result",
    "Run",
    "RunChanges",
    "RunFile",
    "SavedAgent",
    "Schedule",
    "Screenshot",
    "Service",
    "ServiceDefaults",
    "Session",
    "Setting",
    "SystemReport",
    "SystemSchedule",
    "Task",
    "TaskRuns",
    "Tenant",
    "Unreachable",
    "Upload",
    "UploadFile",
]
