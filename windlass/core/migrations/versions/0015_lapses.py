"""The end of a lease on a screen, and what cleanups removed."""

from windlass.core.migrations.sql import run_files

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the function and the table."""
    run_files("0015", ("lapses",))


def downgrade() -> None:
    """A report is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
