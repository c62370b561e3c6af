"""Invitations, and how often members are signed in."""

from windlass.core.migrations.sql import run_files

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the functions."""
    run_files("0022", ("invitations",))


def downgrade() -> None:
    """Who was invited is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
