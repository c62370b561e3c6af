"""What a client of Kodosumi may send, and how it is told, without anything behind it."""

from typing import Any

import pytest

from api.routes.compat.kodosumi.exposes import NewExpose, keep
from windlass.core.errors import Invalid


async def test_aliases_in_a_bootstrap_are_refused_before_they_multiply():
    nobody: Any = None
    merged = "\n".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))

    body = NewExpose.model_validate({"name": "bomb", "bootstrap": f"a0: &a0 {{x: y}}\n{merged}"})

    with pytest.raises(Invalid) as refused:
        await keep(body, nobody, nobody)

    assert [(each.field, each.message) for each in refused.value.errors] == [
        ("bootstrap", "must be YAML without aliases")
    ]
