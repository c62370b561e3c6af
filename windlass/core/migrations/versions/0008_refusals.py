"""Refused sign-ins: a bounded table for those of people nobody knows."""

from windlass.core.migrations.sql import run_files

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its functions."""
    run_files("0008", ("refusals",))


def downgrade() -> None:
    """What was refused is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
