"""Who has the screen of a desktop, and tasks that wake it."""

from windlass.core.migrations.sql import run_files

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create its columns and functions."""
    run_files("0011", ("viewers",))


def downgrade() -> None:
    """Who has a screen would be forgotten."""
    raise NotImplementedError("Restore a backup instead.")
