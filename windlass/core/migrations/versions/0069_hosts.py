"""Processes of services that ended long ago are forgotten."""

from windlass.core.migrations.sql import run_files

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let them go, and find what is there."""
    run_files("0069", ("hosts",))


def downgrade() -> None:
    """There is nothing to give back."""
    raise NotImplementedError("Restore a backup instead.")
