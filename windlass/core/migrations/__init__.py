"""The database schema, version by version."""

from pathlib import Path

HERE = Path(__file__).parent


def newest() -> str:
    """The newest revision, read off the file names so that a database up to date never waits for alembic."""
    return max(path.stem.partition("_")[0] for path in (HERE / "versions").glob("[0-9]*.py"))
