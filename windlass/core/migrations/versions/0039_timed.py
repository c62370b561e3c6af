"""A schedule says since when it has its timing, which it may share with others."""

from windlass.core.migrations.sql import run_files

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    run_files("0039", ("timed",))


def downgrade() -> None:
    """Firings of the timing they share would be decided by nobody."""
    raise NotImplementedError("Restore a backup instead.")
