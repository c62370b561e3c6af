"""What a flow's handler decided when the gateway asked it: kept with the run."""

from windlass.core.migrations.sql import run_files

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and what executors read it by."""
    run_files("0004", ("launches",))


def downgrade() -> None:
    """Runs on their way would be asked again."""
    raise NotImplementedError("Restore a backup instead.")
