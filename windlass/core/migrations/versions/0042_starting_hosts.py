"""Hosts on record before they are there."""

from windlass.core.migrations.sql import run_files

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and ask for it."""
    run_files("0042", ("starting_hosts",))


def downgrade() -> None:
    """Hosts would be lost."""
    raise NotImplementedError("Restore a backup instead.")
