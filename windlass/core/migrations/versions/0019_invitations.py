"""Invitations, and how often members are signed in."""

from windlass.core.migrations.sql import run_files

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the functions."""
    run_files("0019", ("invitations",))


def downgrade() -> None:
    """Who was invited is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
