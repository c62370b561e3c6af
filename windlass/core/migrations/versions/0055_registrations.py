"""Services that others run."""

from windlass.core.migrations.sql import run_files

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    run_files("0055", ("registrations",))


def downgrade() -> None:
    """What is kept would be lost."""
    raise NotImplementedError("Restore a backup instead.")
