"""The first schema: roles, identity, the event log, runs and services."""

from windlass.core.migrations.sql import run_files

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    run_files("0001", ("roles", "identity", "events", "runs", "services"))


def downgrade() -> None:
    """There is nothing before the first schema."""
    raise NotImplementedError("Restore a backup instead.")
