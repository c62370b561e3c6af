"""The first start of the stack of this session, which was given a password for its administrator."""

from tests.faults.stack import EMAIL, UP_S, Stack, until


async def test_a_password_that_was_given_is_not_shown(stack: Stack):
    async def is_told() -> bool:
        return "Started in" in stack.output.read_text()

    await until(is_told, "the start is told", UP_S)

    told = stack.output.read_text()
    assert f"{EMAIL}, password of WINDLASS_ADMIN_PASSWORD" in told
    assert "shown this once" not in told
