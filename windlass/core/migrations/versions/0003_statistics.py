"""Runs counted by hour and by agent; places of limits leased in blocks."""

from windlass.core.migrations.sql import run_files

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the functions, and the index the first one reads."""
    run_files("0003", ("statistics", "limits"))


def downgrade() -> None:
    """The way back is a backup."""
    raise NotImplementedError("Restore a backup instead.")
