"""A desktop whose container ended under its task is lost before the task is over."""

from windlass.core.migrations.sql import run_files

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the function."""
    run_files("0029", ("losses",))


def downgrade() -> None:
    """A restored backup knows the schema it was made with."""
    raise NotImplementedError("Restore a backup instead.")
