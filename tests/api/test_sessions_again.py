"""What opens a session and comes again: it is one session, and none where that one was deleted since."""

import re
from uuid import UUID

import pytest

from tests.api.people import Gateway, Person
from tests.api.test_sessions import signed_in
from windlass.contracts.ids import PersonId, TenantId, new_id
from windlass.core.callers import Caller
from windlass.core.errors import Conflict
from windlass.core.permissions import ROLES, Role
from windlass.core.sessions import NewSession


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def test_the_same_form_or_key_twice_opens_one_session(gateway: Gateway, ada: Person):
    browser, key = await signed_in(gateway, ada), {"idempotency-key": str(new_id())}
    (once,) = re.findall(r'name="once" value="([^"]+)"', (await browser.get("/sessions")).text)
    form = {"content": "Hello.", "once": once}

    sent = [await browser.post("/sessions", data=form) for _ in range(2)]
    other = await browser.post("/sessions", data=form | {"content": "Something else."})
    asked = [await ada.http.post("/v1/sessions", json={"title": "By key"}, headers=key) for _ in range(2)]

    kept = (await ada.http.get("/v1/sessions")).json()["items"]
    audit = (await ada.http.get("/v1/audit", params={"action": "session.create"})).json()["items"]
    assert [each.status_code for each in (*sent, other, *asked)] == [303, 303, 422, 201, 201]
    assert "Something else." in other.text
    assert sent[0].headers["location"] == sent[1].headers["location"] == f"/sessions/{kept[1]['id']}"
    assert (len(kept), asked[0].json(), asked[1].json(), len(audit)) == (2, kept[0], kept[0], 2)


async def test_what_opened_a_session_that_was_deleted_since_opens_nothing_when_it_comes_again(
    gateway: Gateway, ada: Person
):
    browser, engine = await signed_in(gateway, ada), gateway.state["engine"]
    (once,) = re.findall(r'name="once" value="([^"]+)"', (await browser.get("/sessions")).text)
    form = {"content": "Hello.", "once": once}
    owner = Caller(TenantId(ada.tenant_id), PersonId(ada.id), "Ada", Role.OWNER, ROLES[Role.OWNER])
    path = (await browser.post("/sessions", data=form)).headers["location"]
    await ada.http.delete(f"/v1{path}")

    again = await browser.post("/sessions", data=form)
    with pytest.raises(Conflict, match="was deleted") as refused:  # the answer to a key got lost, so it comes again
        await engine.sessions.open(owner, NewSession(id=UUID(path.rpartition("/")[2])))

    assert (again.status_code, "was deleted. Nothing was made: send it as a new one" in again.text) == (422, True)
    assert refused.value.status == 409
    assert (await ada.http.get("/v1/sessions")).json()["items"] == []
