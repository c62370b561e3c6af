"""Runs that ended, summed once."""

from windlass.core.migrations.sql import run_files

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the sums."""
    run_files("0048", ("sums",))


def downgrade() -> None:
    """Going back would lose nothing, but nobody has tried it."""
    raise NotImplementedError("Restore a backup instead.")
