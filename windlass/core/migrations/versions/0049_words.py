"""The words of runs, to search in."""

from windlass.core.migrations.sql import run_files

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the words, those of the runs there are too."""
    run_files("0049", ("words",))


def downgrade() -> None:
    """Going back would lose nothing, but nobody has tried it."""
    raise NotImplementedError("Restore a backup instead.")
