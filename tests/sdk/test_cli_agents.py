"""`windlass agent`, run as a process against a small gateway on loopback."""

from pathlib import Path
from typing import Any

from tests.sdk.test_cli import ME, Gateway, gateway, home, windlass

__all__ = ["gateway", "home"]

SAVED: dict[str, Any] = {"name": "reviewer", "version": 2, "newest": 2, "model": "claude-opus-5-5", "max_tokens": 900}
AGENT: dict[str, Any] = {
    "name": "reviewer",
    "kind": "claude",
    "summary": "reviewer",
    "tags": ["saved"],
    "elements": [{"type": "textarea", "name": "prompt", "label": "Prompt", "required": True}],
    "saved": SAVED
    | {
        "system": "Be [stern].",
        "tools": ["read"],
        "budget": {"usd": 2.5},
        "mcp_servers": [{"server": "files", "tools": None}],
        "policy": [{"tool": "shell", "decision": "deny", "arguments": "*rm*"}],
    },
}


def test_an_agent_is_saved_from_a_file(gateway: Gateway, home: Path, tmp_path: Path):
    gateway.answers = {"POST /v1/agents": (201, SAVED)}
    (tmp_path / "stern.md").write_text("Be stern.")
    words = ("agent", "create", "reviewer", "--system", f"@{tmp_path}/stern.md", "--tool", "read", "--budget", "2.5")

    ran = windlass(gateway, home, *words, "--mcp", "files:list,read", "--trust", "files", "--rule", "ask:shell:*rm*")

    assert (ran.code, ran.out) == (
        0,
        'reviewer is saved. Start it: windlass run start reviewer prompt="…" --watch\n',
    )
    assert gateway.asked[0][1] == {
        "name": "reviewer",
        "system": "Be stern.",
        "tools": ["read"],
        "mcp_servers": [{"server": "files", "trust": True, "tools": ["list", "read"]}],
        "policy": [{"decision": "ask", "tool": "shell", "arguments": "*rm*"}],
        "budget": {"usd": 2.5},
    }


def test_a_saved_agent_is_opened_as_a_session(gateway: Gateway, home: Path):
    session = {"id": "s-1", "title": "Fix [/x]", "status": "idle", "agent": "reviewer", "agent_version": 2}
    gateway.answers = {"POST /v1/sessions": (201, session), "GET /v1/sessions/s-1": session}
    gateway.answers |= {"GET /v1/sessions/s-1/messages": {"items": [], "next": None}}

    opened = windlass(gateway, home, "session", "create", "Fix [/x]", "--agent", "reviewer")

    assert (opened.code, opened.out) == (0, "Fix [/x] is open. Speak: windlass chat s-1\n")
    assert [body for _, body in gateway.asked] == [{"title": "Fix [/x]", "agent": "reviewer"}]
    assert windlass(gateway, home, "session", "show", "s-1").out.startswith("Fix [/x]  idle")


def test_ones_own_newest_session_is_known_by_its_short_name(gateway: Gateway, home: Path):
    theirs, mine = {"id": "s-2", "owner": "2"}, {"id": "s-1", "owner": "1", "title": "Rates"}
    more = "GET /v1/sessions?limit=50&after=more"
    gateway.answers = {"GET /v1/me": ME, "GET /v1/sessions/s-1": mine, "DELETE /v1/sessions/s-1": (204, b"")}
    gateway.answers["GET /v1/sessions"] = {"items": [theirs], "next": "more"}
    gateway.answers[more] = {"items": [theirs, mine], "next": None}

    deleted = windlass(gateway, home, "session", "delete", "last")
    gateway.answers[more] = {"items": [theirs], "next": None}
    nothing = windlass(gateway, home, "session", "delete", "last")

    assert (deleted.code, deleted.out) == (0, "Rates was deleted.\n")
    assert (nothing.code, "You have no sessions yet." in nothing.err) == (2, True)
    assert [path for path, _ in gateway.asked if path.startswith("DELETE")] == ["DELETE /v1/sessions/s-1"]


def test_an_edit_sends_what_is_given_and_nothing_else(gateway: Gateway, home: Path):
    gateway.answers = {"PATCH /v1/agents/reviewer": SAVED}

    ran = windlass(gateway, home, "agent", "edit", "reviewer", "--model", "claude-opus-5-5", "--budget", "0")

    assert ran.out == "reviewer is in version 2 now.\n"
    assert gateway.asked[0][1] == {"model": "claude-opus-5-5", "budget": None}
    assert windlass(gateway, home, "agent", "edit", "reviewer").code == 2
    assert windlass(gateway, home, "agent", "edit", "reviewer", "--trust", "files").code == 2


def test_an_agent_is_shown_with_what_was_saved(gateway: Gateway, home: Path):
    gateway.answers = {"GET /v1/agents/reviewer": AGENT, "GET /v1/agents": {"items": [AGENT], "next": None}}

    ran = windlass(gateway, home, "agent", "show", "reviewer")
    listed = windlass(gateway, home, "agent", "list", "--tag", "saved")

    said = ("version 2, claude-opus-5-5, 900 tokens, at most $2.5", "Be [stern].", "tools: read")
    assert all(text in ran.out for text in (*said, "MCP server files: all tools", "deny shell *rm*", "Prompt"))
    assert "reviewer" in listed.out
    assert gateway.asked[-1][0] == "GET /v1/agents?tag=saved"


def test_an_agent_is_deleted(gateway: Gateway, home: Path):
    gateway.answers = {"DELETE /v1/agents/reviewer": (204, b"")}

    ran = windlass(gateway, home, "agent", "delete", "reviewer", "--json")

    assert (ran.code, '"deleted": true' in ran.out) == (0, True)
