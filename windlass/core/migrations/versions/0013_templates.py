"""Templates of desktops as rows, and what each desktop is made of."""

from windlass.core.migrations.sql import run_files

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, with the installation's own."""
    run_files("0013", ("templates",))


def downgrade() -> None:
    """What people wrote down is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
