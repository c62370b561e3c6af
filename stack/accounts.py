"""Who may run PostgreSQL: it refuses to be root, so root borrows an unprivileged account."""

import os
import pwd
import subprocess
from pathlib import Path

from stack.errors import StackError
from stack.processes import Account

CANDIDATES = ("postgres", "windlass", "nobody")


class NoAccount(StackError):
    """PostgreSQL refuses to run as root or without a passwd entry, and this machine offers neither way out."""


def server_account() -> Account:
    """Ourselves, or for root the first unprivileged account this machine has."""
    if os.geteuid() != 0:
        return _account(own_name())
    for name in CANDIDATES:
        try:
            return _account(name)
        except KeyError:
            continue
    raise NoAccount(
        f"PostgreSQL does not run as root and none of the accounts {', '.join(CANDIDATES)} exists. "
        "Add one (useradd --system windlass) or set WINDLASS_DATABASE_URL."
    )


def own_name() -> str:
    """Our own user name; PostgreSQL needs one to know who is asking."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise NoAccount(
            f"The user id {os.geteuid()} has no entry in /etc/passwd, which PostgreSQL needs. "
            "Add one, run as another user, or set WINDLASS_DATABASE_URL."
        ) from None


def can_reach(account: Account, path: Path) -> bool:
    """Whether that account can go to `path` and run or enter what is there."""
    borrowed = None if account.uid == os.geteuid() else account
    probe = subprocess.run(  # noqa: S603 - a constant command
        ["/bin/sh", "-c", 'test -x "$0"', str(path)],
        check=False,
        cwd="/",
        user=borrowed and borrowed.uid,
        group=borrowed and borrowed.gid,
        extra_groups=borrowed and [],
    )
    return probe.returncode == 0


def own(path: Path, account: Account, mode: int) -> None:
    """Make a folder of ours belong to an account."""
    make_passable(path)
    if os.geteuid() == 0:
        os.chown(path, account.uid, account.gid)
    path.chmod(mode)


def make_passable(path: Path) -> None:
    """Make a folder, and those above it that are missing, so that every account can pass whatever our umask."""
    if not path.exists():
        make_passable(path.parent)
        path.mkdir()
        path.chmod(0o711)


def _account(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
