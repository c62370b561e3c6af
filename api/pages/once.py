"""Forms that do a thing once: the id of what they make is drawn with them, signed, and comes back with them."""

from uuid import UUID

from markupsafe import Markup

from api.pages.rendering import Form, field
from api.paging import Cursors, ListQuery
from windlass.contracts.ids import new_id
from windlass.core.callers import Caller
from windlass.core.errors import BadCursor

NAME, LIST = "once", "pages/once"


def once_field(cursors: Cursors, caller: Caller, name: str = NAME) -> Markup:
    """The hidden field of a form that is sent twice by mistake, or again after a broken connection."""
    token = cursors.make(caller, LIST, ListQuery(after=None, limit=1), [str(new_id())])
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, token)


def once_id(cursors: Cursors, caller: Caller, form: Form, name: str = NAME) -> UUID | None:
    """The id that was drawn with the form; None when it was not ours."""
    token = field(form, name, 1000)
    if not token:
        return None
    try:
        place = cursors.read(caller, LIST, ListQuery(after=token, limit=1))
    except BadCursor:
        return None
    return UUID(place[0]) if place else None
