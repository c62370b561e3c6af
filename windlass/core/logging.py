"""Logs for operators: facts with keys, one line each, never a secret and never a forged line."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Literal, cast

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import Processor

Format = Literal["auto", "json", "console"]

SECRET_NAMES = re.compile(r"password|secret|token|authorization|cookie|api_?key|pepper", re.IGNORECASE)
# Each alternative is linear: no nested repeats (measured: 1 MiB of "wl_" in 20 ms).
SECRETS = re.compile(
    r"(?P<api>\bwl_)[A-Za-z0-9]+_[A-Za-z0-9_-]+"
    r"|(?P<model>\bsk-ant-)[A-Za-z0-9_-]+"
    r"|(?P<jwt>\beyJ)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|(?P<bearer>\bBearer )[^\s\"']+"
    r"|(?P<dsn>://[^\s/:@]{1,64}:)[^\s/@]{1,256}(?=@)"
    r"|(?P<pem>-----BEGIN [A-Z ]{1,40}-----)[^-]*(?:-----END [A-Z ]{1,40}-----)?"
)
CONTROL = {**{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}, 10: "\\n", 13: "\\r", 9: "\\t"}
QUIET = ("httpx", "httpcore", "asyncio", "uvicorn.access")  # their informational lines say nothing new

# Adds facts to every line written inside the block: `with context(request_id=…, tenant=…, run=…):`
context = bound_contextvars


def configure(process: str, *, format: Format = "auto", level: str = "info") -> None:
    """Send every log line of this process, ours and the libraries', to stdout; call it once, at the start."""
    as_json = format == "json" or (format == "auto" and not sys.stdout.isatty())
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _named(process),
                _json() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty()),
            ],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what looks like a secret, by name or by shape, and escape what could forge a second line."""
    for name, value in event.items():
        if name == "exception" and isinstance(value, str):
            event[name] = "\n".join(line.translate(CONTROL) for line in SECRETS.sub(_cut, value).splitlines())
        elif not name.startswith("_"):
            event[name] = _safe(name, value)
    return event


def clean(text: str) -> str:
    """A text as it may be written down: secrets cut, control characters escaped."""
    return SECRETS.sub(_cut, text).translate(CONTROL)


def _cut(match: re.Match[str]) -> str:
    return f"{match.group(match.lastgroup or 0)}…"


def _safe(name: str, value: object) -> object:
    if SECRET_NAMES.search(name) and isinstance(value, str | bytes):
        return "…"
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return {clean(str(key)): _safe(str(key), each) for key, each in pairs.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_safe("", each) for each in cast("Sequence[object]", value)]
    return value if value is None or isinstance(value, bool | int | float) else clean(str(value))


def _named(process: str) -> Processor:
    def add(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add


def _json() -> Processor:
    return structlog.processors.JSONRenderer(sort_keys=False)
