"""The steps of a desktop's start, and the question for a screen that somebody else has."""

from windlass.core.migrations.sql import run_files

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and their functions."""
    run_files("0024", ("steps",))


def downgrade() -> None:
    """What people asked is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
