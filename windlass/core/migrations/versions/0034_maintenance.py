"""What system schedules did, and what people deleted is forgotten after a while."""

from windlass.core.migrations.sql import run_files

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the functions."""
    run_files("0034", ("maintenance",))


def downgrade() -> None:
    """What was forgotten is not remembered."""
    raise NotImplementedError("Restore a backup instead.")
