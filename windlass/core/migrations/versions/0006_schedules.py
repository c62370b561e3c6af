"""Schedules and their firings."""

from windlass.core.migrations.sql import run_files

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add schedules, firings, and runs that wait for another."""
    run_files("0006", ("schedules",))


def downgrade() -> None:
    """Temporal would go on firing what the rows no longer say."""
    raise NotImplementedError("Restore a backup instead.")
