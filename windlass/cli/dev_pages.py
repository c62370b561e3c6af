"""The pages of a service under development: its flows, their forms, its runs. For this machine alone."""

import json
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from windlass.cli.dev_runs import DevRun, DevRuns, HostAway, Message
from windlass.forms import Model, validate

MOST_BYTES = 1024 * 1024
Errors = Mapping[str, list[str]]
NAMES = frozenset({"localhost", "127.0.0.1"})
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'"
STYLE = """:root{color-scheme:light dark}body{font:16px/1.5 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}.error{color:#b00020;margin-left:.5rem}
td{padding:.1rem .8rem .1rem 0;vertical-align:top}fieldset{border:0;padding:0;margin:.8rem 0}legend{padding:0}
input,select,textarea,button{font:inherit;max-width:100%}@media(prefers-color-scheme:dark){.error{color:#ff8077}}"""
HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>windlass dev</title>
<meta name="viewport" content="width=device-width,initial-scale=1">"""
NO_FILES = "takes no files under windlass dev: add the service to a server"


class Pages(ThreadingHTTPServer):
    """Serves them on a loopback port."""

    daemon_threads = True

    def __init__(self, port: int, runs: DevRuns) -> None:
        super().__init__(("127.0.0.1", port), Page)
        self.runs = runs


class Page(BaseHTTPRequestHandler):
    """One request."""

    server: Pages  # type: ignore[assignment] # nothing else makes one

    def do_GET(self) -> None:
        """Show something."""
        self._answer(self._shown)

    def do_POST(self) -> None:
        """Start a run, or answer a question."""
        self._answer(self._done)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet: what runs do is told."""

    def _answer(self, make: Any) -> None:
        if not self._is_ours():
            self._send(HTTPStatus.FORBIDDEN, "This is for pages of this machine alone.")
            return
        try:
            make([unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")])
        except HostAway:
            self._send(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "<p>The service starts. If it stays down, the terminal says why.</p>",
                wait=True,
            )
        except (KeyError, LookupError):
            self._send(HTTPStatus.NOT_FOUND, "<p>There is nothing here.</p>")

    def _is_ours(self) -> bool:
        """Whether a page of ours asks, at a name of this machine: other sites, whatever their names lead to, do not."""
        host = self.headers.get("host", "")
        origin = self.headers.get("origin")
        return host.rpartition(":")[0] in NAMES and (origin is None or urlsplit(origin).netloc == host)

    def _shown(self, path: list[str]) -> None:
        match path:
            case [""]:
                self._send(HTTPStatus.OK, _home(self.server.runs.flows(), self.server.runs.newest()))
            case ["flows", name]:
                self._send(HTTPStatus.OK, _form(self._flow(name)))
            case ["runs", run_id]:
                run = self._run(run_id)
                self._send(HTTPStatus.OK, _run(run, {}), wait=run.state == "running")
            case _:
                raise LookupError

    def _done(self, path: list[str]) -> None:
        match path:
            case ["flows", name]:
                self._start(self._flow(name))
            case ["runs", run_id, "questions", question_id]:
                self._take(self._run(run_id), question_id)
            case _:
                raise LookupError

    def _start(self, flow: Message) -> None:
        sent = self._fields(flow["elements"])
        values, errors = validate(flow["elements"], sent)
        errors |= {
            each["name"]: [NO_FILES] for each in flow["elements"] if each["type"] == "file" and each["name"] in sent
        }
        if not errors:
            run = DevRun(flow["path"], flow["name"], values, {})
            asked = {"run_id": run.id, "flow": run.flow, "inputs": values}
            said = self.server.runs.ask({"op": "enter", "run": asked})
            if said["outcome"] == "launched":
                run.launch = {**said["launch"], "asked_with": values}
                self.server.runs.start(run)
                self._go(f"/runs/{run.id}")
                return
            errors = said.get("fields") or {"_global_": [f"{said['error']['type']}: {said['error']['message']}"]}
        self._send(HTTPStatus.UNPROCESSABLE_ENTITY, _form(flow, sent, errors))

    def _take(self, run: DevRun, question_id: str) -> None:
        question = next(each for each in [*run.open_questions, {}] if each.get("question_id") in (question_id, None))
        if not question:
            raise LookupError
        sent = self._fields(question["elements"])
        values, errors = validate(question["elements"], sent)
        errors = errors or self.server.runs.answer(run, question, values)
        if errors:
            self._send(HTTPStatus.UNPROCESSABLE_ENTITY, _run(run, {question_id: errors}))
        else:
            self._go(f"/runs/{run.id}")

    def _flow(self, name: str) -> Message:
        return {each["name"]: each for each in self.server.runs.flows()}[name]

    def _run(self, run_id: str) -> DevRun:
        run = self.server.runs.get(run_id)
        if run is None:
            raise LookupError
        return run

    def _fields(self, elements: list[Message]) -> Message:
        """What was filled in. A field that takes several values has a list."""
        size = min(int(self.headers.get("content-length") or 0), MOST_BYTES)
        sent = parse_qs(self.rfile.read(size).decode(errors="replace"), keep_blank_values=True, max_num_fields=2000)
        several = {each.get("name") for each in elements if each.get("multiple")}
        files = {each.get("name") for each in elements if each["type"] == "file"}
        given = {name: values for name, values in sent.items() if name not in files or any(values)}
        return {name: values if name in several else values[-1] for name, values in given.items()}

    def _go(self, address: str) -> None:
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("location", address)
        self.send_header("content-length", "0")
        self.end_headers()

    def _send(self, status: HTTPStatus, body: str, *, wait: bool = False) -> None:
        again = '<meta http-equiv="refresh" content="1">' if wait else ""
        head = f"{HEAD}{again}<style>{STYLE}</style>"
        page = f"{head}<p><a href='/'>windlass dev</a></p>{body}".encode()
        self.send_response(status)
        headers = {
            "content-type": "text/html; charset=utf-8",
            "content-length": str(len(page)),
            "cache-control": "no-store",
        }
        for name, value in (headers | {"content-security-policy": POLICY}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)


def _home(flows: list[Message], runs: list[DevRun]) -> str:
    names = [(escape(each["name"]), escape(each["summary"] or each["name"])) for each in flows]
    links = "".join(f"<li><a href='/flows/{name}'>{summary}</a></li>" for name, summary in names)
    rows = "".join(
        f"<tr><td><a href='/runs/{run.id}'>{run.id}</a></td><td>{escape(run.title)}</td><td>{run.state}</td></tr>"
        for run in runs
    )
    listed = f"<table>{rows}</table>" if rows else "<p>None yet. Open a flow and start one.</p>"
    return f"<h1>Flows</h1><ul>{links}</ul><h1>Runs</h1>{listed}"


def _form(flow: Message, sent: Message | None = None, errors: Errors | None = None) -> str:
    return f"<h1>{escape(flow['summary'] or flow['name'])}</h1>{_drawn(flow['elements'], '', sent, errors)}"


def _drawn(elements: list[Message], action: str, sent: Message | None, errors: Errors | None) -> str:
    model = Model.model_validate(elements, errors)
    if sent is not None:
        model.set_data(sent)
    said = "" if any(each["type"] == "errors" for each in elements) else "; ".join((errors or {}).get("_global_", ()))
    return f"<form method=post action='{action}'><p class=error>{escape(said)}</p>{model.render()}</form>"


def _run(run: DevRun, errors: Mapping[str, Errors]) -> str:
    asked = "".join(_asked(run, each, errors.get(each["question_id"])) for each in run.open_questions)
    rows = "".join(
        f"<tr><td>{escape(each['kind'])}</td><td><pre>{escape(_told(each['kind'], each['payload']))}</pre></td></tr>"
        for each in tuple(run.events)
    )
    end = "" if run.outcome is None else _told("error", run.error) if run.error else _text(run.value or {})
    told = f"<h1>{escape(run.title)}: {run.state}</h1><p>Lives of its host: {run.lives}</p>"
    return f"{told}<pre>{escape(end)}</pre>{asked}<table>{rows}</table>"


def _asked(run: DevRun, question: Message, errors: Errors | None) -> str:
    action = f"/runs/{run.id}/questions/{question['question_id']}"
    return f"<h2>{escape(question['name'])}</h2>{_drawn(question['elements'], action, None, errors)}"


def _told(kind: str, payload: Message) -> str:
    """What an event says, for somebody who reads it."""
    match kind:
        case "step":
            took = f", {payload['ms']:.0f} ms" if payload.get("ms") is not None else ""
            came = f"\n{json.dumps(payload['result'], ensure_ascii=False)}" if "result" in payload else ""
            return f"{payload['name']}: {payload['state']}{took}{came}"
        case "question":
            return f"{payload.get('name', 'question')}: {payload['state']}"
        case "error":
            said = f"{payload.get('type')}: {payload.get('message')}"
            return str(payload.get("traceback") or said)
        case _:
            return _text(payload)


def _text(payload: Message) -> str:
    """A text as it is, anything else as JSON."""
    ((name, content),) = payload.items() if len(payload) == 1 else (("", payload),)
    body = content.get("body") if name in ("Markdown", "HTML", "Text") else content if name in ("str", "text") else None
    return body if isinstance(body, str) else json.dumps(payload, ensure_ascii=False)
