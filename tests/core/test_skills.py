"""Skills of an organisation: told in the order of their names, within a size, to nobody else."""

import pytest

from tests.core.records import Records, somebody
from windlass.core.audit import Audit, AuditFilter
from windlass.core.database import Database
from windlass.core.errors import Conflict, Invalid, NotFound
from windlass.core.skills import Skills


async def test_skills_are_kept_changed_and_deleted_and_the_audit_says_so(records: Records, database: Database):
    skills, caller = Skills(database), records.caller
    for name in ("pages", "invoices"):
        await skills.put(caller, name, f"About {name}.")

    changed = await skills.put(caller, "pages", "Otherwise.")
    await skills.remove(caller, "invoices")

    assert [each.text for each in await skills.of(caller.tenant_id)] == ["Otherwise."]
    assert (changed.changed_by, changed.size_bytes) == (caller.name, 10)
    assert await skills.catalogue(somebody()) == []
    for nobody, name in ((somebody(), "pages"), (caller, "invoices")):
        with pytest.raises(NotFound):
            await skills.remove(nobody, name)
    acts = await Audit(database).newest(caller, AuditFilter(subject="desktop-skill:pages"))
    assert [(each.before, each.after) for each in acts] == [
        ({"text": "About pages."}, {"text": "Otherwise."}),
        (None, {"text": "About pages."}),
    ]


@pytest.mark.parametrize(
    ("name", "text"), [("../etc", "x"), ("A", "x"), ("a", "  "), ("a", "ä" * 4001), ("a", "\0"), ("a", "\ud800")]
)
async def test_what_cannot_be_told_is_refused(records: Records, database: Database, name: str, text: str):
    with pytest.raises(Invalid):
        await Skills(database).put(records.caller, name, text)


async def test_all_together_are_no_longer_than_what_a_task_is_told(records: Records, database: Database):
    skills = Skills(database)
    for name in ("a", "b", "c"):
        await skills.put(records.caller, name, "x" * 8000)

    with pytest.raises(Conflict, match="24000 bytes"):
        await skills.put(records.caller, "d", "x")
    await skills.put(records.caller, "c", "y" * 8000)
