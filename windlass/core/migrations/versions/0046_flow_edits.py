"""What somebody has set of flows."""

from windlass.core.migrations.sql import run_files

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    run_files("0046", ("flow_edits",))


def downgrade() -> None:
    """What was set would be lost."""
    raise NotImplementedError("Restore a backup instead.")
