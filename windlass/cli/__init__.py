"""The `windlass` command.

Exit codes: 0 done, and a watched run finished · 1 a watched run failed, or a check of `doctor` did · 2 wrong usage ·
3 the gateway refused · 4 the gateway cannot be reached · 130 a watched run was cancelled, or watching was interrupted ·
141 nobody reads what it prints any more.
"""


def main() -> None:
    """Run the command; everything heavy is imported here, so that importing the package costs nothing."""
    from windlass.cli.app import run  # noqa: PLC0415 - only the command needs typer

    run()
