"""The services of a tenant, as people write them down and their keeper makes them true."""

import pytest

from tests.core.records import VAULT, Records, flow, records_of, somebody
from windlass.contracts.runs import RunStatus
from windlass.core import services
from windlass.core.audit import Audit, AuditFilter
from windlass.core.database import Database
from windlass.core.errors import Conflict, Invalid, NotFound, Stale
from windlass.core.runs import StartRun
from windlass.core.services import MOST_VARIABLES, NewService, ServiceChange, sealed_for
from windlass.core.tasks import Recipe
from windlass.core.wanted import HostFacts


async def test_a_service_is_written_down_and_waits_for_its_host(records: Records):
    wish = NewService(" Texts ", "/srv/texts", "app:app", {"LEVEL": "high"})

    service = await records.services.add(records.caller, wish)

    assert (service.name, service.project, service.import_path) == ("texts", "/srv/texts", "app:app")
    assert (service.env, service.enabled, service.state, service.flows) == ({"LEVEL": "high"}, True, "deploying", ())
    assert await records.services.catalogue(records.caller) == [service]


@pytest.mark.parametrize("name", ["", "-x", "with space", "ümlaut", "a/b", "x" * 64, "claude", "desktop", "boot"])
async def test_a_name_that_cannot_be_is_refused(records: Records, name: str):
    with pytest.raises(Invalid) as refused:
        await records.services.add(records.caller, NewService(name, "/srv", "app:app"))

    assert [error.field for error in refused.value.errors] == ["name"]
    assert await records.services.catalogue(records.caller) == []


async def test_a_name_is_taken_once_in_a_tenant(database: Database, jobs: Database, records: Records):
    other = records_of(database, jobs)
    await records.serve("texts")

    with pytest.raises(Conflict):
        await records.serve("texts")
    assert (await other.serve("texts")).name == "texts"


async def test_another_tenant_cannot_see_or_remove_a_service(database: Database, jobs: Database, records: Records):
    await records.serve("texts", "count")
    other = records_of(database, jobs)

    assert await other.services.catalogue(other.caller) == []
    with pytest.raises(NotFound):
        await other.services.get(other.caller, "texts")
    with pytest.raises(NotFound):
        await other.services.remove(other.caller, "texts")


async def test_a_service_that_is_switched_off_is_not_wanted(records: Records):
    await records.services.add(records.caller, NewService("off", "/srv", "app:app", enabled=False))
    await records.services.add(records.caller, NewService("on", "/srv", "app:app"))

    wanted = [each.name for each in await records.wanted.services() if each.tenant_id == records.tenant_id]

    assert wanted == ["on"]
    assert (await records.services.get(records.caller, "off")).state == "dead"


async def test_another_name_takes_agents_and_tasks_along_and_waits_for_runs(records: Records):
    caller = records.caller
    for name in ("texts", "taken", "texts2"):
        await records.serve(name, "count")
    recipes = (Recipe("texts/count", {"text": "hi"}), Recipe("texts2/count", {"text": "hi"}))
    tasks = [await records.tasks.create(caller, each.agent, each) for each in recipes]
    run = await records.runs.start(caller, StartRun("texts/count", {"text": "x"}))
    refused: list[str] = []
    for name in ("letters", "taken"):
        with pytest.raises(Conflict) as problem:
            await records.services.change(caller, "texts", ServiceChange(name=name))
        refused.append(problem.value.detail)
    await records.finish(run)

    renamed = await records.services.change(caller, "texts", ServiceChange(name=" Letters ", python="3.12"))

    assert ("1 run of texts is live" in refused[0], "already a service taken" in refused[1]) == (True, True)
    assert (renamed.name, renamed.python, renamed.flows) == ("letters", "3.12", ("letters/count",))
    known = [(await records.tasks.get(caller, each.id)).recipe.agent for each in tasks]
    assert known == ["letters/count", "texts2/count"]
    with pytest.raises(NotFound):
        await records.services.get(caller, "texts")
    with pytest.raises(Invalid):
        await records.services.change(caller, "letters", ServiceChange(name="boot"))


async def test_a_host_of_before_a_rename_describes_under_the_new_name(records: Records):
    await records.serve("texts", "count")
    before = await records.wanted_service("texts")
    await records.services.change(records.caller, "texts", ServiceChange(name="letters"))

    facts = HostFacts(f"late {before.id}", 2, "here", 1)
    await records.wanted.record_up(before, facts, {"flows": [flow("write")]})

    assert (await records.services.get(records.caller, "letters")).flows == ("letters/write",)


async def test_what_a_host_describes_replaces_what_the_last_one_did(records: Records):
    await records.serve("texts", "count", "read")
    service = await records.wanted_service("texts")

    await records.wanted.record_up(
        service, HostFacts(f"another {service.id}", 2, "here", 1), {"isolation": "process", "flows": [flow("write")]}
    )

    served = await records.services.get(records.caller, "texts")
    assert (served.state, served.isolation, served.flows) == ("running", "process", ("texts/write",))


async def test_a_host_is_known_by_its_boot_and_ends_once(database: Database, records: Records):
    await records.serve("texts")
    service = await records.wanted_service("texts")
    boot = f"boot {service.id}"
    await records.wanted.record_up(service, HostFacts(boot, 2, "here", 7), {"flows": []})

    await records.wanted.record_end(service, boot, "crashed")
    await records.wanted.record_end(service, boot, "stopped")

    assert await records.wanted.record_found(service, boot, 2, "here") == 7
    assert await records.wanted.record_found(service, f"unheard of {service.id}", 3, "here") == 0
    async with database.tenant(records.tenant_id) as connection:
        assert await connection.fetchval("select end_reason from host where boot_id = $1", boot) == "crashed"


async def test_a_host_that_is_started_serves_nobody_before_it_is_found(records: Records):
    await records.services.add(records.caller, NewService("texts", "/srv", "app:app"))
    service = await records.wanted_service("texts")
    boot = f"boot {service.id}"

    await records.wanted.record_start(service, boot, "here")

    assert await records.wanted.unborn(service, "here") == await records.wanted.others(service, "here", "") == [boot]
    assert (await records.services.get(records.caller, "texts")).pid is None
    assert await records.wanted.record_found(service, boot, 2, "here") == service.generation
    assert await records.wanted.unborn(service, "here") == []
    assert (await records.services.get(records.caller, "texts")).pid == 2


async def test_a_service_with_live_runs_is_not_removed(records: Records):
    await records.serve("texts", "count")
    run = await records.runs.start(records.caller, StartRun("texts/count", {"text": "hi"}))

    with pytest.raises(Conflict, match="1 run of texts is live"):
        await records.services.remove(records.caller, "texts")
    await records.end(run, RunStatus.CANCELLED)
    await records.services.remove(records.caller, "texts")

    assert await records.services.catalogue(records.caller) == []
    assert (await records.runs.get(records.caller, run.id)).agent == "texts/count"
    with pytest.raises(NotFound):
        await records.agents.get(records.caller, "texts/count")


async def test_what_is_done_to_services_is_audited(database: Database, records: Records):
    await records.serve("texts")
    await records.services.remove(records.caller, "texts")

    entries = await Audit(database).newest(records.caller, AuditFilter())

    assert [(entry.action, entry.subject) for entry in entries] == [
        ("service.delete", "service:texts"),
        ("service.add", "service:texts"),
    ]


async def test_a_change_touches_what_is_sent_and_nothing_else(records: Records):
    await records.services.add(records.caller, NewService("s", "/a", "app:app", {"A": "1", "B": "2"}))
    before = await records.services.get(records.caller, "s")

    after = await records.services.change(records.caller, "s", ServiceChange(project="/b", env={"B": None, "C": "3"}))

    assert (after.project, after.import_path, after.enabled) == ("/b", "app:app", True)
    assert after.env == {"A": "1", "C": "3"}
    assert after.etag != before.etag
    wanted = await records.wanted_service("s")
    assert (wanted.project, wanted.generation) == ("/b", 2)


async def test_secrets_are_sealed_and_what_is_not_sent_of_them_stays(database: Database, records: Records):
    wish = NewService("s", "/a", "app:app", {"LEVEL": "high"}, secrets={"TOKEN": "hush-hush", "OLD": "gone soon"})
    before = await records.services.add(records.caller, wish)

    after = await records.services.change(records.caller, "s", ServiceChange(secrets={"OLD": None, "NEW": "psst"}))
    same = await records.services.change(records.caller, "s", ServiceChange(env={"LEVEL": "low"}))

    assert (before.secret_names, after.secret_names, same.secret_names) == (("OLD", "TOKEN"), *2 * (("NEW", "TOKEN"),))
    assert len({before.etag, after.etag, same.etag}) == 3
    wanted = await records.wanted_service("s")
    assert wanted.secrets is not None
    opened = VAULT.open(records.tenant_id, sealed_for(wanted.id), wanted.secrets)
    assert opened == {"TOKEN": "hush-hush", "NEW": "psst"}
    assert not [word for word in ("hush", "psst") if word in repr((wanted, same)) or word.encode() in wanted.secrets]
    entries = await Audit(database).newest(records.caller, AuditFilter())
    assert "hush" not in repr(entries)


async def test_a_change_that_changes_nothing_replaces_no_host(records: Records):
    await records.services.add(records.caller, NewService("s", "/a", "app:app"))

    await records.services.change(records.caller, "s", ServiceChange(project="/a"))

    assert (await records.wanted_service("s")).generation == 1


async def test_a_stale_etag_changes_nothing(records: Records):
    service = await records.services.add(records.caller, NewService("s", "/a", "app:app"))
    await records.services.change(records.caller, "s", ServiceChange(project="/b"), service.etag)

    with pytest.raises(Stale):
        await records.services.change(records.caller, "s", ServiceChange(project="/c"), service.etag)

    assert (await records.services.get(records.caller, "s")).project == "/b"


async def test_a_service_is_switched_off_and_on(records: Records):
    await records.services.add(records.caller, NewService("s", "/a", "app:app"))

    off = await records.services.change(records.caller, "s", ServiceChange(enabled=False))
    on = await records.services.change(records.caller, "s", ServiceChange(enabled=True))

    assert (off.enabled, off.state, on.enabled, on.state) == (False, "dead", True, "deploying")


async def test_a_refresh_raises_the_generation_and_keeps_the_etag(records: Records):
    service = await records.services.add(records.caller, NewService("s", "/a", "app:app"))

    again = await records.services.refresh(records.caller, "s")

    assert again.etag == service.etag
    assert (await records.wanted_service("s")).generation == 2
    for attempt in (
        records.services.refresh(somebody(), "s"),
        records.services.change(somebody(), "s", ServiceChange()),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_service_has_so_many_variables_and_secrets_in_all_and_keeps_what_it_has(
    records: Records, monkeypatch: pytest.MonkeyPatch
):
    many = {f"V{n}": "x" for n in range(MOST_VARIABLES - 1)}
    await records.services.add(records.caller, NewService("full", "/srv", "app:app", many, secrets={"S": "x"}))
    wishes = ServiceChange(env={"ONE_MORE": "x"}), ServiceChange(secrets={"ONE_MORE": "x"})

    for wish in wishes:
        with pytest.raises(Invalid, match=r"Nothing was changed.*at most 500.*make 501.*Take some away"):
            await records.services.change(records.caller, "full", wish)
    with pytest.raises(Invalid, match="at most 500"):
        await records.services.add(records.caller, NewService("more", env=many, secrets={"S": "x", "T": "x"}))
    swapped = await records.services.change(records.caller, "full", ServiceChange(env={"V0": None, "NEW": "x"}))
    monkeypatch.setattr(services, "MOST_VARIABLES", 400)  # as if it had them since before there was a bound
    fewer = await records.services.change(records.caller, "full", ServiceChange(env={"V1": None}, python="3.12"))

    assert ("NEW" in swapped.env, len(swapped.env), swapped.secret_names) == (True, 499, ("S",))
    assert (len(fewer.env), fewer.python) == (498, "3.12")
