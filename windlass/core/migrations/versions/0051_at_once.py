"""How many sessions one person may have at work; and the new indexes of runs take their names."""

from windlass.core.migrations.sql import run_files

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count those too that are about to work; drop the indexes that others stand in for."""
    run_files("0051", ("at_once", "indexes"))


def downgrade() -> None:
    """What is kept would be lost."""
    raise NotImplementedError("Restore a backup instead.")
