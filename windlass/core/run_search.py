"""Words in runs: which runs of an organisation a text is found in, however many there are.

A run is found by its words (title, agent, tags, inputs, result, error), those of three letters and more by how they
begin; and, among the newest runs, by any part of what was said at their start (of inputs the first 1,000 characters).
An id is found whole, or by its end.
"""

from dataclasses import dataclass
from uuid import UUID

from windlass.contracts.ids import TenantId
from windlass.core.database import Connection

MOST = 2000  # runs that are looked for by their ids; words that more have are looked for in the order of time
NEWEST = 2000  # runs in which any part of a word is looked for

# What was filled in, without the field names: so much of it that thousands of runs are soon looked through.
INPUTS = "left((select string_agg(value, ' ') from jsonb_each_text(inputs)), 1000)"
WORDS = f"concat_ws(' ', title, agent, id, array_to_string(tags, ' '), {INPUTS})"
PARTS = f"""
select coalesce(array_agg(id), '{{}}') from (
  select id, title, agent, tags, inputs from run
  where archived_at is null and ($1::uuid is null or created_by = $1) order by created_at desc, id desc limit $3) newest
where strpos(lower({WORDS}), lower($2)) > 0
"""  # noqa: S608 - constants

EVERY = "${n}::text is null"
THESE = "id = any (${n}::uuid[])"
# The text and then ids, as one parameter. Parsed once a query, not once a run; ids are hashed, not compared one by one.
COMMON = """
((select words @@ (select asked_words((${n}::text[])[1])) from run_words where run_id = run.id)
 or id in (select unnest((${n}::text[])[2:])::uuid))"""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A condition of a query of runs, with the value of its one parameter."""

    condition: str
    value: list[UUID] | list[str] | None

    def numbered(self, number: int) -> str:
        """The condition when its value is the parameter of that number."""
        return self.condition.replace("{n}", str(number))


async def narrowed(connection: Connection, tenant_id: TenantId, owner: UUID | None, text: str | None) -> Narrowed:
    """In which runs a text is found; `owner`: only that person's are looked at where parts of words are."""
    if not text:
        return Narrowed(EVERY, None)
    found: list[UUID] | None = await connection.fetchval("select search_runs($1, $2, $3)", tenant_id, text, MOST)
    parts: list[UUID] = await connection.fetchval(PARTS, owner, text, NEWEST)
    parts += _named(text)
    if found is None:
        return Narrowed(COMMON, [text, *map(str, parts)])
    return Narrowed(THESE, [*found, *parts])


def _named(text: str) -> list[UUID]:
    """The id that the text is, if it is one."""
    try:
        return [UUID(text.strip())]
    except ValueError:
        return []
