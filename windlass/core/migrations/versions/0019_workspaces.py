"""The files of sessions."""

from windlass.core.migrations.sql import run_files

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_files("0019", ("workspaces",))


def downgrade() -> None:
    """Files are not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
