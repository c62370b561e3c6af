"""Archives of services over HTTP: taken whole and sound, or not at all."""

import html
import io
import zipfile

import pytest

from tests.api.people import Gateway, Organisation, Person
from windlass.core import archives, sent_archives, sources
from windlass.core.permissions import Role

PATH = "/v1/services/sent/archive"


def zipped(**files: str) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(
                name.replace("__", "/")
                .replace("UP", "..")
                .replace("_py", ".py")
                .replace("_txt", ".txt")
                .replace("_git", ".git")
                .replace("MAC", "__MACOSX"),
                content,
            )
    return output.getvalue()


@pytest.fixture
async def house(gateway: Gateway) -> Organisation:
    house = await gateway.organisation("Sent")
    assert (await house.owner.http.post("/v1/services", json={"name": "sent", "import_path": "app:app"})).is_success
    return house


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ("agents", "a folder, from the root on"),
        ("archive:abc", "64 hex digits"),
        ("https://example.org/agents", r"must be git\+https://host/repository@COMMIT"),
        ("git+ssh://git@example.org/agents@main", "over ssh.*windlass service send"),
        ("git@example.org:team/agents.git", "over ssh.*windlass service send"),
        (f"git+https://ada:word@example.org/agents@{'a' * 40}", "no user and no password.*windlass service send"),
        ("git+https://example.org/agents@main", "40 hex digits.*`git ls-remote https://example.org/agents`"),
        ("git+https://example.org/agents", "40 hex digits.*`git ls-remote https://example.org/agents`"),
    ],
)
def test_a_source_that_is_none_is_told_what_to_write_instead(project: str, words: str):
    with pytest.raises(ValueError, match=words):
        sources.checked_project(project)


async def test_a_draft_is_served_from_the_archive_that_is_sent(house: Organisation):
    sent = (await house.owner.http.put(PATH, content=zipped(app_py="app = 1"))).json()
    same = (await house.owner.http.put(PATH, content=zipped(app_py="app = 1"))).json()
    wrong = await house.owner.http.patch("/v1/services/sent", json={"project": "git@example.org:a/b.git"})

    assert wrong.json()["errors"][0]["message"].startswith("must be git+https://")
    assert sent["project"].startswith("archive:")
    assert (sent["state"], same["project"], same["etag"]) == ("deploying", sent["project"], sent["etag"])


async def test_an_archive_that_cannot_be_taken_changes_nothing(
    house: Organisation, acme: Organisation, monkeypatch: pytest.MonkeyPatch
):
    bad = [await house.owner.http.put(PATH, content=each) for each in (b"none", zipped(UP__app_py="x"), zipped())]
    by_viewer = await house.people[Role.VIEWER].http.put(PATH, content=zipped(app_py="x"))
    by_others = await acme.owner.http.put(PATH, content=zipped(app_py="x"))
    monkeypatch.setattr(sources, "LARGEST_BYTES", 1024)
    large = await house.owner.http.put(PATH, content=bytes(2048))

    assert [each.status_code for each in bad] == [422, 422, 422]
    assert "leads out of it" in bad[1].text
    assert (by_viewer.status_code, by_others.status_code, large.status_code) == (403, 404, 422)
    assert (await house.owner.http.get("/v1/services/sent")).json()["state"] == "draft"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"notes_txt": "x"}, "holds no Python file"),
        ({"hello__app_py": "x", "MAC__hello__app_py": "x"}, "holds app in the folder 'hello': pack what is in"),
        ({"app_py": "x"}, ""),
        ({"app__deep__main_py": "x"}, ""),
        ({"requirements_txt": "agents"}, ""),
        ({"src__other_py": "x"}, ""),
    ],
)
async def test_an_archive_without_a_program_where_the_app_says_is_told_apart(
    house: Organisation, files: dict[str, str], words: str
):
    answer = await house.owner.http.put(PATH, content=zipped(**files))

    assert answer.status_code == (422 if words else 200)
    assert words in answer.text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("sent", {"env": {"PYTHONPATH": "hello"}}),
        ("sent", {"secrets": {"PYTHONPATH": "hello"}}),
        ("defaults", {"env": {"PYTHONPATH": "hello"}}),
        ("defaults", {"secrets": {"PYTHONPATH": "hello"}}),
    ],
)
async def test_an_archive_one_folder_too_deep_is_found_by_a_service_that_says_so_or_inherits_it(
    house: Organisation, path: str, said: dict[str, dict[str, str]]
):
    method = "PUT" if path == "defaults" else "PATCH"
    assert (await house.owner.http.request(method, f"/v1/services/{path}", json=said)).is_success

    answer = await house.owner.http.put(PATH, content=zipped(hello__app_py="x", hello___gitignore="x"))

    assert answer.is_success


async def test_an_archive_of_one_folder_with_a_dotfile_is_taken_for_a_draft_that_names_no_app(house: Organisation):
    await house.owner.http.post("/v1/services", json={"name": "draft"})

    answer = await house.owner.http.put(
        "/v1/services/draft/archive", content=zipped(hello__app_py="x", hello___gitignore="x")
    )

    assert answer.status_code == 200, answer.text


async def upload(person: Person, content: bytes, *names: str) -> str:
    """Send a file ahead, as the script of a page does."""
    wanted = [{"path": each, "size_bytes": len(content)} for each in names or ("hello.zip",)]
    begun = (await person.http.post("/v1/artifacts/uploads", json={"files": wanted})).json()
    for each in begun["files"]:
        sent = await person.http.put(f"/v1/artifacts/uploads/{begun['upload_id']}/{each['file_id']}", content=content)
        assert sent.is_success
    assert (await person.http.post(f"/v1/artifacts/uploads/{begun['upload_id']}/complete")).is_success
    return str(begun["upload_id"])


async def test_a_page_serves_a_service_from_the_archive_that_was_sent_ahead(house: Organisation):
    page = house.owner.http
    first, second = [await upload(house.owner, zipped(app_py=f"app = {n}")) for n in (1, 2)]

    added = await page.post("/services", data={"name": "paged", "project": first, "import_path": "app:app"})
    begun = (await page.get("/v1/services/paged")).json()
    changed = await page.post("/services/paged/edit", data={"project": second, "etag": begun["etag"]})
    then = (await page.get("/v1/services/paged")).json()
    left = [(await page.get(f"/v1/artifacts/uploads/{each}")).status_code for each in (first, second)]
    by_viewer = await house.people[Role.VIEWER].http.post("/services", data={"name": "x", "project": first})

    assert (added.status_code, changed.status_code, by_viewer.status_code) == (303, 303, 403)
    assert (begun["state"], left) == ("deploying", [404, 404])
    assert begun["project"].startswith("archive:")
    assert then["project"].startswith("archive:")
    assert begun["project"] != then["project"]


@pytest.mark.parametrize(
    ("content", "names", "words"),
    [
        (b"plain words", (), "The archive is broken, or of another kind than zip and tar.gz"),
        (zipped(), (), "The archive holds no file"),
        (zipped(hello__app_py="x"), (), "The archive holds app in the folder"),
        (zipped(app_py="x"), ("a.zip", "b.zip"), "The archive must be one file, not 2"),
        (zipped(app_py="x" * 5000), (), "The archive becomes more than 0 MiB"),
        (bytes(range(256)) * 20, (), "The archive is larger than 0 MiB"),
    ],
)
async def test_a_page_says_beside_the_field_what_is_wrong_with_an_archive(
    house: Organisation, monkeypatch: pytest.MonkeyPatch, content: bytes, names: tuple[str, ...], words: str
):
    monkeypatch.setattr(sent_archives, "LARGEST_BYTES", 4096)
    monkeypatch.setattr(archives, "MOST_BYTES", 4096)
    form = {"name": "kept-as-typed", "project": await upload(house.owner, content, *names), "import_path": "app:app"}

    added = await house.owner.http.post("/services", data=form)
    changed = await house.owner.http.post("/services/sent/edit", data=form | {"name": "sent"})

    assert (added.status_code, changed.status_code) == (422, 422)
    assert words in html.unescape(added.text.partition('id="project-wrong"')[2])
    assert 'value="kept-as-typed"' in added.text
    assert form["project"] not in added.text
    assert "choose it again" in changed.text.partition('id="project-wrong"')[2]
    assert (await house.owner.http.get("/v1/services/kept-as-typed")).status_code == 404


async def test_an_archive_is_not_asked_for_again_when_something_else_in_the_form_is_wrong(
    house: Organisation, acme: Organisation
):
    sent = await upload(house.owner, zipped(app_py="x"))
    form = {"name": "A B", "project": sent, "import_path": "app:app"}

    wrong = await house.owner.http.post("/services", data=form)
    taken = await house.owner.http.post("/services", data=form | {"name": "sent"})
    theirs = await acme.owner.http.post("/services", data=form | {"name": "theirs"})

    assert (wrong.status_code, f'value="{sent}"' in wrong.text) == (422, True)
    assert (taken.status_code, 'value="archive:' in taken.text) == (422, True)
    assert (theirs.status_code, "choose it again" in theirs.text) == (422, True)
