"""Files of runs, and uploads on their way to one."""

from windlass.core.migrations.sql import run_files

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the functions."""
    run_files("0036", ("files",))


def downgrade() -> None:
    """A restored backup knows the schema it was made with."""
    raise NotImplementedError("Restore a backup instead.")
