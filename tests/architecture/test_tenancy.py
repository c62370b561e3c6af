"""The tenant comes first: every public method of a store begins with the tenant, or with what carries one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "windlass" / "core"
CONTRACTS = CORE.parent / "contracts"
METHODS = ast.FunctionDef | ast.AsyncFunctionDef

# What stands before or above a tenant, with the reason.
ABOVE = {
    "BootRecords": {"waiting"},  # gateways start the boots of all
    "Authentication": {
        "by_token",
        "by_cookie",
        "by_key",
        "by_run",
        "forget",
        "key_hash",
    },  # finds out who the caller is
    "Failures": {"check", "count", "forgive"},  # sign-in, before there is a caller
    "Hub": {"drain", "leave", "health"},  # of the process
    "Limiter": {"take"},  # counts whom it is told to
    "Machines": {
        "meet",
        "installation",
        "known",
        "unheard",
        "open",
        "alone",
        "lapsed",
        "weighed",
        "is_busy",
    },  # a machine serves every tenant
    "Invitations": {"look", "join"},  # the code names its tenant itself, nobody is signed in yet
    "Pulses": {"record", "last_hour", "beat_for_ever"},  # the parts of the installation serve every tenant
    "Refusals": {"note"},  # nobody is signed in then
    "ServerChecks": {"due"},  # a worker looks at the MCP servers of all
    "Servers": {"commands"},  # the operator lists them for all
    "Sessions": {"refresh"},  # a refresh token names its session itself
    "Retention": {"forget"},  # one worker forgets for all
    "Silence": {"look"},  # one worker looks at the sessions of all
    "SignIn": {"login", "register", "is_fresh"},
    "Wanted": {"services", "strays"},  # what one worker keeps up for all
}


def classes(*folders: Path) -> Iterator[tuple[Path, ast.ClassDef]]:
    """Every class of these folders, with its file."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            yield from ((path, node) for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef))


def is_store(node: ast.ClassDef) -> bool:
    """Whether it is made with the database of the people (that of the jobs, `jobs`, sees every tenant)."""
    makers = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    return any(argument.arg == "database" for maker in makers for argument in maker.args.args)


def has_tenant(node: ast.ClassDef) -> bool:
    """Whether a value of it names a tenant."""
    fields = (each.target for each in node.body if isinstance(each, ast.AnnAssign))
    return "tenant_id" in {each.id for each in fields if isinstance(each, ast.Name)}


def public(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Its public methods."""
    return [each for each in node.body if isinstance(each, METHODS) and not each.name.startswith("_")]


def strays(node: ast.ClassDef, carriers: frozenset[str]) -> set[str]:
    """Public methods whose first parameter is neither the tenant nor something that carries one."""
    return {each.name for each in public(node) if not _is_first(each.args.args[1:2], carriers)}


def _is_first(first: list[ast.arg], carriers: frozenset[str]) -> bool:
    return any(
        each.arg == "tenant_id" or (each.annotation is not None and ast.unparse(each.annotation) in carriers)
        for each in first
    )


CARRIERS = frozenset(node.name for _, node in classes(CORE, CONTRACTS) if has_tenant(node))
STORES = {f"{path.stem}.{node.name}": node for path, node in classes(CORE) if is_store(node)}


@pytest.mark.parametrize("name", STORES)
def test_every_public_method_takes_the_tenant_first(name: str):
    assert strays(STORES[name], CARRIERS) - ABOVE.get(STORES[name].name, set()) == set()


def test_every_exception_is_still_one():
    found = {node.name: strays(node, CARRIERS) for node in STORES.values()}

    assert {name: methods for name, methods in ABOVE.items() if not methods <= found.get(name, set())} == {}


def test_a_method_without_a_tenant_would_be_found():
    source = """class Cars:
    def __init__(self, database: Database): ...
    def get(self, car_id, tenant_id): ...
    def wash(self, car: Car): ...
    def sell(self, caller: Caller, car: Car): ..."""
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)

    assert is_store(node)
    assert strays(node, CARRIERS) == {"get", "wash"}
