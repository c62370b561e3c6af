"""Skills of organisations, told to models that work in their desktops."""

from windlass.core.migrations.sql import run_files

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_files("0014", ("skills",))


def downgrade() -> None:
    """What people wrote down is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
