"""Tasks of desktops."""

from windlass.core.migrations.sql import run_files

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their columns and functions."""
    run_files("0009", ("desktop_tasks",))


def downgrade() -> None:
    """Runs of desktops would be left at work."""
    raise NotImplementedError("Restore a backup instead.")
