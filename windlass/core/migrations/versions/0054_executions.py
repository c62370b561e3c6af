"""Executions of sessions that Temporal may still hold."""

from windlass.core.migrations.sql import run_files

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have turns note what they leave in Temporal."""
    run_files("0054", ("executions",))


def downgrade() -> None:
    """What Temporal holds would be forgotten here, and kept there."""
    raise NotImplementedError("Restore a backup instead.")
