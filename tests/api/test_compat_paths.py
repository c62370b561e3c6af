"""Every path of the services that are replaced: it is there, it wants somebody signed in, and it answers them.

What it does is told where it is used: `test_compat_desktops.py`, `test_compat_sessions.py`, and among the workflows
`test_compat_kodosumi.py`.
"""

import re
from typing import Any, NamedTuple

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.api.machines import on_paper
from tests.api.people import PASSWORD, Gateway, some_email
from tests.declarations import WEBSOCKET, ours
from windlass.contracts.ids import new_id

DESKTOPS, API, KAYOS = "/compat/desktops/v1", "/compat/agent-api/api/v1", "/compat/kayos/api/v1"
KODOSUMI = "/compat/kodosumi"
ROOTS = (DESKTOPS, "/compat/agent-api", KAYOS, KODOSUMI)


class Path(NamedTuple):
    """A path as its clients know it, and what somebody hears who is new and whose ids name nothing.

    Who hears it is signed in, but where the path is public.
    """

    method: str
    path: str
    status: int
    body: dict[str, Any] | None = None
    is_public: bool = False
    query: str = ""


SCRIPT = {"script": "echo"}
LOGIN = {"name": some_email(), "password": PASSWORD}
EXPOSE = {"name": "nothing", "bootstrap": '{"import_path": "app:app", "runtime_env": {"working_dir": "/srv/x"}}'}
FILE = {"upload_id": str(new_id()), "filename": "a.txt", "total_chunks": 1}
SERVER = {"name": "web", "url": "https://example.org/mcp"}
PATHS = (
    Path("GET", f"{DESKTOPS}/health", 200, is_public=True),
    Path("POST", f"{DESKTOPS}/user/register", 201, {"email": some_email(), "password": PASSWORD}, is_public=True),
    Path("POST", f"{DESKTOPS}/user/login", 401, {"email": some_email(), "password": PASSWORD}, is_public=True),
    Path("POST", f"{DESKTOPS}/user/refresh", 401, {"refresh_token": "none"}, is_public=True),
    Path("GET", f"{DESKTOPS}/user/profile", 200),
    Path("PATCH", f"{DESKTOPS}/user/profile", 200, {"name": "Ada"}),
    Path("GET", f"{DESKTOPS}/workers", 200),
    Path("POST", f"{DESKTOPS}/workers", 201, {}),
    Path("GET", f"{DESKTOPS}/workers/{{worker_id}}", 404),
    Path("DELETE", f"{DESKTOPS}/workers/{{worker_id}}", 404),
    Path("POST", f"{DESKTOPS}/workers/{{worker_id}}/tasks", 404, SCRIPT),
    Path("GET", f"{DESKTOPS}/workers/{{worker_id}}/screenshot", 404),
    Path("GET", f"{DESKTOPS}/tasks", 200),
    Path("GET", f"{DESKTOPS}/tasks/{{task_id}}", 404),
    Path("POST", f"{API}/auth/login", 401, {"email": some_email(), "password": PASSWORD}, is_public=True),
    Path("POST", f"{API}/auth/refresh", 401, {"refresh_token": "none"}, is_public=True),
    Path("GET", f"{API}/auth/me", 200),
    Path("POST", f"{API}/sessions", 201, {"name": "Notes"}),
    Path("GET", f"{API}/sessions", 200),
    Path("GET", f"{API}/sessions/{{session_id}}", 404),
    Path("PATCH", f"{API}/sessions/{{session_id}}", 404, {"name": "Others"}),
    Path("DELETE", f"{API}/sessions/{{session_id}}", 404),
    Path("POST", f"{API}/sessions/{{session_id}}/query", 404, {"message": "Hello."}),
    Path("GET", f"{API}/sessions/{{session_id}}/messages", 404),
    Path("GET", f"{API}/sessions/{{session_id}}/tool-calls", 404),
    Path("POST", f"{API}/sessions/{{session_id}}/resume", 404),
    Path("POST", f"{API}/sessions/{{session_id}}/archive", 404),
    Path("POST", f"{API}/mcp-servers", 201, SERVER),
    Path("GET", f"{API}/mcp-servers", 200),
    Path("GET", f"{API}/mcp-servers/{{name}}", 404),
    Path("PATCH", f"{API}/mcp-servers/{{name}}", 404, {"description": "Pages."}),
    Path("DELETE", f"{API}/mcp-servers/{{name}}", 404),
    Path("POST", f"{API}/tasks", 201, {"name": "News", "prompt_template": "News"}),
    Path("GET", f"{API}/tasks", 200),
    Path("GET", f"{API}/tasks/templates", 200),
    Path("POST", f"{API}/tasks/templates/{{task_id}}", 404),
    Path("GET", f"{API}/tasks/{{task_id}}", 404),
    Path("PATCH", f"{API}/tasks/{{task_id}}", 404, {"description": "Daily."}),
    Path("DELETE", f"{API}/tasks/{{task_id}}", 404),
    Path("POST", f"{API}/tasks/{{task_id}}/execute", 404),
    Path("GET", f"{API}/tasks/{{task_id}}/executions", 404),
    Path("GET", f"{API}/admin/health", 403),  # for the platform's operator alone
    Path(WEBSOCKET, "/compat/agent-api/ws/sessions/{session_id}", 404),
    Path("GET", f"{KAYOS}/health", 200, is_public=True),
    Path("POST", f"{KAYOS}/auth/login", 401, {"email": some_email(), "password": PASSWORD}, is_public=True),
    Path("POST", f"{KAYOS}/agents/execute", 404, {"agent_type": "nobody", "prompt": "Hello.", "context": {}}),
    Path("GET", f"{KAYOS}/agents", 200),
    Path("GET", f"{KAYOS}/agents/status/{{agent_id}}", 404),
    Path("GET", f"{KAYOS}/agents/{{agent_id}}", 404),
    Path("DELETE", f"{KAYOS}/agents/{{agent_id}}", 404),
    Path("GET", f"{KAYOS}/agents/{{agent_id}}/stream", 404),
    Path("POST", f"{KAYOS}/agents/{{agent_id}}/stop", 404),
    Path("GET", f"{KAYOS}/conversations", 200),
    Path("POST", f"{KAYOS}/conversations", 201, {}),
    Path("POST", f"{KAYOS}/conversations/{{conversation_id}}/message", 404, {"content": "Hello."}),
    Path("GET", f"{KAYOS}/coding_conversations", 200),
    Path("GET", f"{KAYOS}/coding_conversations/{{conversation_id}}/messages", 404),
    Path("GET", f"{KAYOS}/coding_conversations/{{conversation_id}}/stream", 404),
    Path("POST", f"{KODOSUMI}/api/login", 401, LOGIN, is_public=True),
    Path("POST", f"{KODOSUMI}/login", 422, LOGIN, is_public=True),  # it wants the fields of a form
    Path("GET", f"{KODOSUMI}/health", 200),
    Path("GET", f"{KODOSUMI}/role/profile", 200),
    Path("GET", f"{KODOSUMI}/role", 200),
    Path("POST", f"{KODOSUMI}/role", 201, {"name": "Bea", "email": some_email(), "password": PASSWORD}),
    Path("GET", f"{KODOSUMI}/role/{{name}}", 404),
    Path("PUT", f"{KODOSUMI}/role/{{person_id}}", 404, {"active": False}),
    Path("DELETE", f"{KODOSUMI}/role/{{person_id}}", 404),
    Path("GET", f"{KODOSUMI}/flow", 200),
    Path("GET", f"{KODOSUMI}/flow/tags", 200),
    Path("GET", f"{KODOSUMI}/flow/register", 200),
    Path("PUT", f"{KODOSUMI}/flow/register", 200),
    Path("POST", f"{KODOSUMI}/flow/register", 422, {"url": "http://127.0.0.1:1/openapi.json"}),  # not on the public net
    Path("POST", f"{KODOSUMI}/flow/unregister", 404, {"url": ["https://example.org/openapi.json"]}),
    Path("GET", f"{KODOSUMI}/-/{{path:path}}", 404),
    Path("POST", f"{KODOSUMI}/-/{{path:path}}", 404, {}),
    Path("GET", f"{KODOSUMI}/inputs/-/{{path:path}}", 404),
    Path("POST", f"{KODOSUMI}/inputs/-/{{path:path}}", 404),
    Path("GET", f"{KODOSUMI}/inputs/lock/{{run_id}}/{{question_id}}", 404),
    Path("POST", f"{KODOSUMI}/inputs/lock/{{run_id}}/{{question_id}}", 404),
    Path("GET", f"{KODOSUMI}/lock/{{run_id}}/{{question_id}}", 404),
    Path("POST", f"{KODOSUMI}/lock/{{run_id}}/{{question_id}}", 404, {}),
    Path("GET", f"{KODOSUMI}/outputs/status/{{run_id}}", 404),
    Path("GET", f"{KODOSUMI}/outputs/stream/{{run_id}}", 404),
    Path("GET", f"{KODOSUMI}/outputs/main/{{run_id}}", 404),
    Path("GET", f"{KODOSUMI}/outputs/stdio/{{run_id}}", 404),
    Path("GET", f"{KODOSUMI}/outputs/raw/{{run_id}}", 404),
    Path("GET", f"{KODOSUMI}/outputs/html/{{run_id}}", 404),
    Path("DELETE", f"{KODOSUMI}/outputs/{{run_id}}", 404),
    Path("DELETE", f"{KODOSUMI}/outputs", 204, {"fid": []}),
    Path("GET", f"{KODOSUMI}/timeline/list", 200),
    Path("GET", f"{KODOSUMI}/timeline/changes", 200),
    Path("GET", f"{KODOSUMI}/api/dashboard/running-agents", 200),
    Path("GET", f"{KODOSUMI}/api/dashboard/errors", 200),
    Path("GET", f"{KODOSUMI}/api/dashboard/timeline", 200),
    Path("GET", f"{KODOSUMI}/api/dashboard/agent-stats", 200),
    Path("GET", f"{KODOSUMI}/api/dashboard/execution/{{run_id}}/details", 404),
    Path("GET", f"{KODOSUMI}/api/dashboard/execution/{{run_id}}/files", 404),
    Path("POST", f"{KODOSUMI}/files/init_batch", 201),
    Path("POST", f"{KODOSUMI}/files/init", 201, {"filename": "a.txt", "total_chunks": 1}),
    Path("POST", f"{KODOSUMI}/files/chunk", 400, {}),  # it wants a form with the bytes
    Path("POST", f"{KODOSUMI}/files/complete/{{root}}", 201, FILE),  # its body says that there is no such upload
    Path("POST", f"{KODOSUMI}/files/complete/{{run_id}}/{{batch_id}}/{{root}}", 404, {}),
    Path("DELETE", f"{KODOSUMI}/files/cancel/{{file_id}}", 404),
    Path("GET", f"{KODOSUMI}/files/{{run_id}}/{{path:path}}", 404),
    Path("DELETE", f"{KODOSUMI}/files/{{run_id}}/{{path:path}}", 404),
    Path("GET", f"{KODOSUMI}/expose", 200),
    Path("POST", f"{KODOSUMI}/expose/health", 200),
    Path("GET", f"{KODOSUMI}/expose/{{name}}", 404),
    Path("DELETE", f"{KODOSUMI}/expose/{{name}}", 404),
    Path("POST", f"{KODOSUMI}/expose/{{name}}/health", 404),
    Path("POST", f"{KODOSUMI}/boot/refresh/{{name}}", 404),
    Path("POST", f"{KODOSUMI}/expose", 201, EXPOSE),
    Path("GET", f"{KODOSUMI}/exchange/export", 200),
    Path("POST", f"{KODOSUMI}/exchange/import", 200, {"services": []}),
    Path("GET", f"{KODOSUMI}/boot", 200),
    Path("GET", f"{KODOSUMI}/boot/stream", 200),
    Path("DELETE", f"{KODOSUMI}/boot", 200),
    Path("GET", f"{KODOSUMI}/audit/stream", 200),
    Path("GET", f"{KODOSUMI}/audit/info", 200),
    Path("GET", f"{KODOSUMI}/", 303, is_public=True),
    Path("GET", f"{KODOSUMI}/maintenance", 303, is_public=True),
    Path("GET", f"{KODOSUMI}/admin/{{path:path}}", 404, is_public=True),
    Path("POST", f"{KODOSUMI}/admin/expose/globals", 422, {}),  # as `/login`
    Path("POST", f"{KODOSUMI}/admin/{{path:path}}", 410, is_public=True),
    Path("GET", f"{KODOSUMI}/login", 410, is_public=True),
    Path("GET", f"{KODOSUMI}/logout", 410, is_public=True),
    Path("GET", f"{KODOSUMI}/schema", 303, is_public=True),
    Path("GET", f"{KODOSUMI}/schema/{{path:path}}", 303, is_public=True),
    Path("GET", f"{KODOSUMI}/static/{{path:path}}", 410, is_public=True),
    Path("GET", f"{KODOSUMI}/sumi/{{path:path}}", 410, is_public=True),
    Path("POST", f"{KODOSUMI}/sumi/{{path:path}}", 410, is_public=True),
    Path("GET", f"{KODOSUMI}/api/masumi/{{path:path}}", 410, is_public=True),
    Path("POST", f"{KODOSUMI}/api/masumi/{{path:path}}", 410, is_public=True),
    Path("GET", f"{KODOSUMI}/expose/{{name}}/registry", 410, is_public=True),
    Path("POST", f"{KODOSUMI}/expose/{{name}}/registry", 410, is_public=True),
    Path("GET", f"{KODOSUMI}/expose/{{name}}/registry/{{path:path}}", 410, is_public=True),
    Path("POST", f"{KODOSUMI}/expose/{{name}}/registry/{{path:path}}", 410, is_public=True),
    Path("GET", f"{KODOSUMI}/expose/{{name}}/wallets", 410, is_public=True),
    Path("POST", f"{KODOSUMI}/boot", 422, query="?force=perhaps"),  # without an engine no boot comes to its end
    Path("POST", f"{KODOSUMI}/logout", 200),  # the last one: it ends the session
)


async def heard(gateway: Gateway, path: Path, token: str | None) -> int:
    """The status that somebody hears: by their token, or nobody without one."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    address = (
        re.sub(r"\{\w+_id\}", str(new_id()), path.path)
        .replace("{name}", "nothing")
        .replace("{path:path}", "in/nothing")
        .replace("{root}", "in")
        + path.query
    )
    if path.method != WEBSOCKET:
        browser = await gateway.browser(headers=headers)
        return (await browser.request(path.method, address, json=path.body)).status_code
    with pytest.raises(InvalidStatus) as refused:
        async with connect(gateway.url.replace("http", "ws") + address, additional_headers=headers):
            pass
    return refused.value.response.status_code


def test_these_are_all_the_paths_of_the_services_that_are_replaced():
    found = sorted((route.method, route.path) for route in ours() if route.path.startswith(ROOTS))

    assert sorted((path.method, path.path) for path in PATHS) == found


async def test_every_path_answers_who_is_signed_in_and_says_401_to_nobody(gateway: Gateway):
    await on_paper(gateway.state["database"])
    token = (await gateway.sign_up("Ada")).token

    answers = [await heard(gateway, path, None if path.is_public else token) for path in PATHS]
    nobody = [await heard(gateway, path, None) for path in PATHS if not path.is_public]

    assert [(path.method, path.path, status) for path, status in zip(PATHS, answers, strict=True)] == [
        path[:3] for path in PATHS
    ]
    assert set(nobody) == {401}
