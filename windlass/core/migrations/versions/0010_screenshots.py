"""Screenshots of desktops, and what keeps the house."""

from windlass.core.migrations.sql import run_files

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables and functions."""
    run_files("0010", ("screenshots",))


def downgrade() -> None:
    """Pictures would be left without anybody who knows them."""
    raise NotImplementedError("Restore a backup instead.")
