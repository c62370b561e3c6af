"""Desktops and the machines that hold them."""

from windlass.core.migrations.sql import run_files

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables and functions."""
    run_files("0007", ("desktops",))


def downgrade() -> None:
    """Desktops would be left running on their machines."""
    raise NotImplementedError("Restore a backup instead.")
