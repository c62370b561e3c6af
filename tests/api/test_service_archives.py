"""Archives of services over HTTP: taken whole and sound, or not at all."""

import io
import zipfile

import pytest

from tests.api.people import Gateway, Organisation
from windlass.core import sources
from windlass.core.permissions import Role

PATH = "/v1/services/sent/archive"


def zipped(**files: str) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("UP", ".."), content)
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
    sent = (await house.owner.http.put(PATH, content=zipped(app="app = 1"))).json()
    same = (await house.owner.http.put(PATH, content=zipped(app="app = 1"))).json()
    wrong = await house.owner.http.patch("/v1/services/sent", json={"project": "git@example.org:a/b.git"})

    assert wrong.json()["errors"][0]["message"].startswith("must be git+https://")
    assert sent["project"].startswith("archive:")
    assert (sent["state"], same["project"], same["etag"]) == ("deploying", sent["project"], sent["etag"])


async def test_an_archive_that_cannot_be_taken_changes_nothing(
    house: Organisation, acme: Organisation, monkeypatch: pytest.MonkeyPatch
):
    bad = [await house.owner.http.put(PATH, content=each) for each in (b"none", zipped(UP__app="x"), zipped())]
    by_viewer = await house.people[Role.VIEWER].http.put(PATH, content=zipped(app="x"))
    by_others = await acme.owner.http.put(PATH, content=zipped(app="x"))
    monkeypatch.setattr(sources, "LARGEST_BYTES", 1024)
    large = await house.owner.http.put(PATH, content=bytes(2048))

    assert [each.status_code for each in bad] == [422, 422, 422]
    assert "leads out of it" in bad[1].text
    assert (by_viewer.status_code, by_others.status_code, large.status_code) == (403, 404, 422)
    assert (await house.owner.http.get("/v1/services/sent")).json()["state"] == "draft"
