"""A file of unknown size knows how much room was asked for."""

from windlass.core.migrations.sql import run_files

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Write it down from now on."""
    run_files("0064", ("upload_rooms",))


def downgrade() -> None:
    """There is nothing to give back."""
    raise NotImplementedError("Restore a backup instead.")
