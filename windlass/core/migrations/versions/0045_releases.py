"""Runs that wait go in the order of their due times."""

from windlass.core.migrations.sql import run_files

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the function."""
    run_files("0045", ("releases",))


def downgrade() -> None:
    """A restored backup knows the schema it was made with."""
    raise NotImplementedError("Restore a backup instead.")
