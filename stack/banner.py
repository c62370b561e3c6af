"""The start-up page: what runs where, where data lives, who thinks, and how to sign in."""

from collections.abc import Sequence

from stack.plan import WORKER_ROLES, Plan
from windlass.core.settings import Settings
from windlass.core.storage.urls import described
from windlass.core.supervision import StackStatus

Rows = Sequence[tuple[str, str]]
STANDIN = "not set: scripted stand-in answers, clearly labelled"
HIDDEN = "…"


def page(plan: Plan) -> str:
    """What a person needs to know once everything is up."""
    settings = plan.settings
    return "\n\n".join(
        [
            "Windlass is up.",
            _table(_addresses(plan)),
            _table(_data(plan)),
            _table([("model", _model(settings)), ("workers", _workers())]),
            _table([("sign in", sign_in(plan))]),
            "Ctrl-C or `make down` stops it. Parts that end by themselves are started again; their names follow here.",
        ]
    )


def running(status: StackStatus) -> str:
    """What already runs and where, for a second start and for `make status`."""
    rows = [(child.name, _child(child.state, child.restarts, child.address)) for child in status.children]
    head = f"A stack is already running here (pid {status.supervisor.pid})."
    return "\n\n".join([head, _table(list(status.addresses.items())), _table(rows)])


def addresses(plan: Plan) -> dict[str, str]:
    """The addresses of this stack, by what is found there."""
    return dict(_addresses(plan))


def masked(key: str) -> str:
    """A key as it may be shown: how it starts and how it ends."""
    return f"{key[:7]}{HIDDEN}{key[-4:]}" if len(key) >= 20 else HIDDEN


def _addresses(plan: Plan) -> Rows:
    settings = plan.settings
    rows = [("pages and API", settings.url)]
    if settings.docs_enabled:
        rows.append(("API docs", f"{settings.url}/docs"))
    rows.append(("Temporal", settings.temporal_address))
    if settings.temporal_ui_url:
        rows.append(("Temporal UI", settings.temporal_ui_url))
    return rows


def _data(plan: Plan) -> Rows:
    rows = [("home", str(plan.settings.home))]
    if plan.cluster:
        rows.append(("PostgreSQL", f"{plan.cluster.data} (as {plan.cluster.account.name})"))
        rows.append(("database", plan.cluster.url))
    else:
        rows.append(("PostgreSQL", "the one of WINDLASS_DATABASE_URL"))
    rows.append(("files", described(plan.settings)))
    rows.append(("logs", str(plan.settings.home / "logs")))
    return rows


def _model(settings: Settings) -> str:
    if settings.anthropic_api_key is None:
        return f"ANTHROPIC_API_KEY: {STANDIN}"
    where = f", at {settings.anthropic_base_url}" if settings.anthropic_base_url else ""
    return f"ANTHROPIC_API_KEY: set, {masked(settings.anthropic_api_key.get_secret_value())}{where}"


def _workers() -> str:
    return " · ".join(f"{role} ({does})" for role, does in WORKER_ROLES.items())


def sign_in(plan: Plan) -> str:
    """Who signs in first, and with what."""
    made = plan.bootstrapped
    if made.password is None:
        is_given = plan.settings.admin_password is not None and made.administrator
        return f"{made.administrator}, password of WINDLASS_ADMIN_PASSWORD" if is_given else "as before"
    return f"{made.administrator}, password {made.password} (shown this once; you choose your own when you sign in)"


def _child(state: str, restarts: int, address: str) -> str:
    again = f", restarts: {restarts}" if restarts else ""
    return f"{state}{again}  {address}".rstrip()


def _table(rows: Rows) -> str:
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)
