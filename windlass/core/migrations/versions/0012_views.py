"""Views that people save of a list."""

from windlass.core.migrations.sql import run_files

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_files("0012", ("views",))


def downgrade() -> None:
    """What people saved is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
