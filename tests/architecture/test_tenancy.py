"""The tenant comes first: every public method of a store begins with the tenant or the caller, who carries it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "windlass" / "core"
FIRST = {"tenant_id", "caller"}

# What stands before or above a tenant, with the reason.
ABOVE = {
    "Audit": set[str](),
    "Authentication": {"by_token", "by_cookie", "by_key", "forget", "key_hash"},  # finds out who the caller is
    "Failures": {"check", "count", "forgive"},  # sign-in, before there is a caller
    "Limiter": {"take"},  # counts whom it is told to
    "Passwords": {"hash", "slot", "verify"},
    "Refusals": {"note"},  # nobody is signed in then
    "Sessions": {"refresh"},  # a refresh token names its session itself
    "SignIn": {"login", "register"},
}
STORES = (
    "audit",
    "idempotency",
    "limiter",
    "tenants",
    "identity",
    "runs",
    "agents",
    "services",
    "artifacts",
    "tasks",
    "history",
    "desktops",
)


def stores() -> Iterator[tuple[str, ast.ClassDef]]:
    """Classes of the stores that hold a database."""
    for name in STORES:
        paths = [CORE / f"{name}.py"] if (CORE / f"{name}.py").exists() else sorted((CORE / name).glob("*.py"))
        for path in paths:
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and _holds_database(node):
                    yield f"{path.stem}.{node.name}", node


def _holds_database(node: ast.ClassDef) -> bool:
    makers = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    return any("Database" in ast.dump(argument) for maker in makers for argument in maker.args.args)


def strays(node: ast.ClassDef) -> list[str]:
    """Public methods whose first parameter is neither the tenant nor the caller."""
    allowed = ABOVE.get(node.name, set())
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    public = [each for each in methods if not each.name.startswith("_") and each.name not in allowed]
    return [
        each.name for each in public if [argument.arg for argument in each.args.args[1:2]] not in [[f] for f in FIRST]
    ]


@pytest.mark.parametrize(("name", "node"), [pytest.param(*each, id=each[0]) for each in stores()])
def test_every_public_method_takes_the_tenant_first(name: str, node: ast.ClassDef):
    assert strays(node) == [], name


def test_a_method_without_a_tenant_would_be_found():
    source = "class Cars:\n    def __init__(self, database: Database): ...\n    def get(self, car_id, tenant_id): ..."
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)

    assert _holds_database(node)
    assert strays(node) == ["get"]
