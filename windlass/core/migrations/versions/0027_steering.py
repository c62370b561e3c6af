"""Messages to the turn under way, and budgets that are raised in the middle of one."""

from windlass.core.migrations.sql import run_files

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the functions."""
    run_files("0027", ("steering",))


def downgrade() -> None:
    """What was said is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
