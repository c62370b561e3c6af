"""What files of sessions held before they were changed."""

from windlass.core.migrations.sql import run_files

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep it from now on."""
    run_files("0061", ("changes",))


def downgrade() -> None:
    """What files held would be lost."""
    raise NotImplementedError("Restore a backup instead.")
