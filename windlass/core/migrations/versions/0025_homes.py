"""The weight of desktops' homes."""

from windlass.core.migrations.sql import run_files

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and their functions."""
    run_files("0025", ("homes",))


def downgrade() -> None:
    """Why a desktop was ended is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
