"""Saved agents, and the version of one that a run is made of."""

from windlass.core.migrations.sql import run_files

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_files("0016", ("agents",))


def downgrade() -> None:
    """What runs are made of is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
