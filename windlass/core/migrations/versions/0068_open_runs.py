"""Open runs are found among many, and partitions are made whatever came before its time."""

from windlass.core.migrations.sql import run_files

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace what looks and makes."""
    run_files("0068", ("open_runs", "partitions"))


def downgrade() -> None:
    """There is nothing to give back."""
    raise NotImplementedError("Restore a backup instead.")
