"""P19, P20 and P27: who sees what, who belongs to an organisation, and who did what."""

from uuid import uuid4

from tests.acceptance.cases import Json, answered, finished, has_become, question_of, read, runs_of, started
from tests.people import FIRST_PASSWORD, PASSWORD, Door, Person, some_email

READS = ("/v1/runs", "/v1/agents", "/v1/services", "/v1/boot", "/v1/members", "/v1/me", "/v1/questions", "/v1/audit")


async def test_p19_nobody_sees_what_is_not_theirs(door: Door, ada: Person, bob: Person, stranger: Person):
    """Services and members may be read by every member here; changing them is refused."""
    run_id = await started(ada, "a/root", name="Ada")
    question = await question_of(ada, run_id)
    hers = (f"/v1/runs/{run_id}", f"/v1/runs/{run_id}/events", f"/v1/questions/{question['id']}")
    nobody = await door.browser()

    refused = [
        await bob.http.post("/v1/services", json={"name": "bobs"}),
        await bob.http.patch("/v1/services/a", json={"enabled": False}),
        await bob.http.delete("/v1/services/a"),
        await bob.http.post("/v1/boot"),
        await bob.http.delete("/v1/boot"),
        await bob.http.post("/v1/members", json=member("Eve")),
        await bob.http.get("/v1/audit"),
    ]

    assert {answer.status_code for answer in refused} == {403}
    assert [(await bob.http.get(path)).status_code for path in ("/v1/agents", "/v1/me")] == [200, 200]
    assert await runs_of(bob) == []
    for person in (bob, stranger):
        assert [(await person.http.get(path)).status_code for path in hers] == [404, 404, 404]
        assert (await person.http.post(f"/v1/runs/{run_id}/cancel")).status_code == 404
    for path in ("/v1/services/a", "/v1/agents/a/root", f"/v1/members/{bob.id}", "/-/a/plain"):
        assert (await stranger.http.get(path)).status_code == 404, path
    assert {(await nobody.get(path)).status_code for path in (*READS, *hers, "/-/a")} == {401}
    assert [(await nobody.get(path)).status_code for path in ("/health", "/ready")] == [200, 200]
    await answered(ada, question)
    await finished(ada, run_id)


def member(name: str, **more: str) -> Json:
    """Somebody to be added."""
    return {"name": name, "email": some_email(name.lower()), "password": FIRST_PASSWORD, "role": "operator", **more}


async def test_p20_members_come_and_go_and_what_was_their_key_opens_nothing(door: Door, ada: Person):
    """A person has one name in all organisations, and changes it themself."""
    wishes = [member(name) for name in ("zzz", "aaa", "bbb")]
    added = [(await ada.http.post("/v1/members", json=wish)).json() for wish in wishes]
    names = [each["name"] for each in (await read(ada, "/v1/members"))["items"]]
    halves = [{name: each for name, each in member("Half").items() if name != left} for left in ("email", "password")]
    refused = [(await ada.http.post("/v1/members", json=wish)).status_code for wish in (*halves, wishes[0])]
    zzz, aaa, bbb = (f"/v1/members/{each['id']}" for each in added)

    assert [name for name in names if name in ("aaa", "bbb", "zzz")] == ["aaa", "bbb", "zzz"]
    assert refused == [422, 422, 409]
    assert [(await ada.http.delete(zzz)).status_code for _ in range(2)] == [204, 404]

    person = await door.sign_in(wishes[1]["email"], FIRST_PASSWORD)
    change = {"current_password": FIRST_PASSWORD, "new_password": PASSWORD}
    assert (await person.http.post("/v1/auth/password", json=change)).status_code == 204
    renamed = await person.http.patch("/v1/me", json={"name": "Aaaron"})
    assert (renamed.status_code, (await read(ada, aaa))["name"]) == (200, "Aaaron")

    nobody = await door.browser()
    spoiled = person.token[:-6] + ("A" if person.token[-6] != "A" else "B") + person.token[-5:]
    wrong = await nobody.get("/v1/me", headers={"authorization": f"Bearer {spoiled}"})
    old = await nobody.post("/v1/auth/login", json={"email": person.email, "password": FIRST_PASSWORD})
    await ada.http.patch(bbb, json={"active": False})
    out = await nobody.post("/v1/auth/login", json={"email": wishes[2]["email"], "password": FIRST_PASSWORD})
    assert [answer.status_code for answer in (wrong, old, out)] == [401, 401, 401]


async def test_p27_whoever_did_something_is_on_record_and_debug_lines_are_not(ada: Person, stranger: Person):
    """Boots are those of an organisation that has no services: they bring up nothing and are on record all the same."""
    name = f"draft-{uuid4().hex[:8]}"
    await ada.http.post("/v1/services", json={"name": name})
    await ada.http.delete(f"/v1/services/{name}")
    run_id = await started(ada, "a/root", name="Ada")
    await question_of(ada, run_id)
    await ada.http.post(f"/v1/runs/{run_id}/cancel")
    await has_become(ada, run_id, "cancelled")
    added = (await ada.http.post("/v1/members", json=member("Eve"))).json()["id"]
    await ada.http.patch(f"/v1/members/{added}", json={"role": "viewer"})
    await ada.http.delete(f"/v1/members/{added}")
    boots = [(await stranger.http.request(each, "/v1/boot")).json()["boot_id"] for each in ("POST", "DELETE")]

    hers, theirs = await every_row(ada), await every_row(stranger)

    assert len({row["id"] for row in hers}) == len(hers)
    assert {("service.add", f"service:{name}"), ("service.delete", f"service:{name}")} <= done_by(ada, hers)
    assert ("run.cancel", f"run:{run_id}") in done_by(ada, hers)
    assert {(f"member.{did}", f"person:{added}") for did in ("add", "change", "remove")} <= done_by(ada, hers)
    kinds = ("service.boot", "service.shutdown")
    assert {(kind, f"boot:{boot}") for kind, boot in zip(kinds, boots, strict=True)} <= done_by(stranger, theirs)
    assert "this is a debug message" not in str(hers)


def done_by(person: Person, rows: list[Json]) -> set[tuple[str, str]]:
    """What somebody did to what, by the rows that also say when."""
    return {(row["action"], row["subject"]) for row in rows if row["actor_id"] == str(person.id) and row["at"]}


async def every_row(person: Person) -> list[Json]:
    """The audit log, page by page."""
    rows: list[Json] = []
    query: dict[str, str] = {"limit": "20"}
    while True:
        page = await read(person, "/v1/audit", **query)
        rows += page["items"]
        if page["next"] is None:
            return rows
        query["after"] = page["next"]
