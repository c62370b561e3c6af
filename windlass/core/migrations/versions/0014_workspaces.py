"""The files of sessions."""

from windlass.core.migrations.sql import run_files

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_files("0014", ("workspaces",))


def downgrade() -> None:
    """Files are not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
