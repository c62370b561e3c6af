"""The schema as SQL files, one folder per revision and one file per noun."""

from pathlib import Path

from alembic import op


def run_files(revision: str, nouns: tuple[str, ...]) -> None:
    """Run the files of a revision in order, each as it is: no bind parameters, many statements."""
    for noun in nouns:
        path = Path(__file__).parent / revision / f"{noun}.sql"
        op.get_context().impl.static_output(path.read_text(encoding="utf-8"))
