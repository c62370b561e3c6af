"""Files beside messages: kept by content, checked as they come, named by what is said, shown to who may see it."""

from uuid import UUID, uuid4

import httpx
import pytest

from api.uploads import AT_ONCE, Uploads
from tests.api.people import Gateway, Organisation, Person
from tests.core.test_media import PDF, PICTURES
from windlass.contracts.ids import TenantId
from windlass.core.attachments import MOST_BYTES_PER_SESSION, MOST_PER_SESSION, Attachments, NewAttachment
from windlass.core.contents import Contents
from windlass.core.media import LARGEST_BYTES

PNG = PICTURES["image/png"]
TRY = "select pg_try_advisory_xact_lock(hashtextextended('attachments:' || $1, 0))"


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def opened(person: Person) -> str:
    return f"/v1/sessions/{(await person.http.post('/v1/sessions', json={})).json()['id']}"


async def sent(person: Person, path: str, name: str, content: bytes, **headers: str) -> httpx.Response:
    return await person.http.post(f"{path}/attachments", params={"name": name}, content=content, headers=headers)


async def test_files_are_kept_once_and_named_by_a_message(ada: Person):
    path = await opened(ada)
    files = [await sent(ada, path, name, content) for name, content in (("a.png", PNG), ("b.pdf", PDF), ("a.png", PNG))]
    ids = [each.json()["id"] for each in files]
    body = {"content": "Look.", "attachments": ids[:2]}

    said = await ada.http.post(f"{path}/messages", json=body)
    shown = (await ada.http.get(f"{path}/messages")).json()["items"][0]["attachments"]
    event = (await ada.http.get(f"{path}/events")).json()["items"][-1]["payload"]
    picture = await ada.http.get(f"{path}/attachments/{ids[0]}")
    pdf = await ada.http.get(f"{path}/attachments/{ids[1]}")

    assert [each.status_code for each in files] == [201, 201, 201]
    assert (ids[0], said.status_code, said.json()["attachments"]) == (ids[2], 202, shown)
    assert [(each["name"], each["media_type"]) for each in shown] == [
        ("a.png", "image/png"),
        ("b.pdf", "application/pdf"),
    ]
    assert event["attachments"] == shown
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    assert (pdf.content, pdf.headers["content-disposition"]) == (PDF, "attachment; filename*=UTF-8''b.pdf")


async def test_a_picture_that_is_none_is_refused_and_nothing_is_half_done(ada: Person):
    path = await opened(ada)
    lie = await sent(ada, path, "photo.png", b"not at all", **{"content-type": "image/png"})
    large = await sent(ada, path, "photo.png", bytes(LARGEST_BYTES + 1))
    folder = await sent(ada, path, "../photo.png", PNG)
    unknown = await ada.http.post(f"{path}/messages", json={"content": "Look.", "attachments": [str(uuid4())]})

    assert (lie.status_code, "bytes are something else" in lie.json()["errors"][0]["message"]) == (422, True)
    assert (large.status_code, folder.status_code, unknown.status_code) == (413, 422, 422)
    assert unknown.json()["errors"][0]["field"] == "attachments"
    assert (await ada.http.get(f"{path}/messages")).json()["items"] == []


async def test_a_file_of_another_session_or_organisation_is_not_there(acme: Organisation, ada: Person):
    mine, other = await opened(ada), await opened(ada)
    kept = (await sent(ada, mine, "a.png", PNG)).json()["id"]

    named = await ada.http.post(f"{other}/messages", json={"content": "Look.", "attachments": [kept]})

    assert named.status_code == 422
    assert (await ada.http.get(f"{other}/attachments/{kept}")).status_code == 404
    assert (await acme.owner.http.get(f"{mine}/attachments/{kept}")).status_code == 404
    assert (await sent(acme.owner, mine, "a.png", PNG)).status_code == 404


async def test_a_session_takes_so_many_files(gateway: Gateway, ada: Person):
    path = await opened(ada)
    session = path.rpartition("/")[2]
    fill = """
        insert into session_attachment (id, tenant_id, session_id, name, media_type, digest, size_bytes)
        select gen_random_uuid(), $1, $2, n::text, 'text/plain', n::text, 1 from generate_series(1, $3) n
    """
    known = await sent(ada, path, "a.png", PNG)
    async with gateway.state["database"].tenant(TenantId(ada.tenant_id)) as connection:
        await connection.execute(fill, ada.tenant_id, session, MOST_PER_SESSION - 1)

    assert (await sent(ada, path, "b.png", PNG)).status_code == 409
    assert (await sent(ada, path, "a.png", PNG)).json() == known.json()


async def test_one_person_sends_so_many_files_at_once_and_hinders_nobody_else():
    uploads, ada, eve = Uploads(), uuid4(), uuid4()
    place = uploads.place(ada)
    for _ in range(AT_ONCE):
        await place.acquire()

    assert (uploads.place(ada).locked(), uploads.place(eve).locked()) == (True, False)


async def test_a_session_takes_so_many_bytes(gateway: Gateway, ada: Person):
    path = await opened(ada)
    await sent(ada, path, "a.png", PNG)
    large = "update session_attachment set size_bytes = $1 where session_id = $2"
    async with gateway.state["database"].tenant(TenantId(ada.tenant_id)) as connection:
        await connection.execute(large, MOST_BYTES_PER_SESSION, path.rpartition("/")[2])

    refused = await sent(ada, path, "b.png", PNG)

    assert (refused.status_code, "512 MiB" in refused.json()["detail"]) == (409, True)


async def test_a_slow_store_holds_no_lock_and_no_connection(gateway: Gateway, ada: Person):
    """Whoever waits for it with a connection takes it from everybody else."""
    session, database = (await opened(ada)).rpartition("/")[2], gateway.state["database"]
    found: list[bool] = []

    class Watched:
        async def put(self, _key: str, _content: bytes) -> None:
            async with database.open() as connection:
                found.append(await connection.fetchval(TRY, session))

    contents = Contents(database, Watched())  # pyright: ignore[reportArgumentType] - the one method that is used
    attachments = Attachments(database, contents)
    await attachments.keep(TenantId(ada.tenant_id), UUID(session), NewAttachment("a.png", "image/png", PNG))

    assert found == [True]
