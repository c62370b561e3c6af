"""Boots of all services of a tenant."""

from windlass.core.migrations.sql import run_files

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    run_files("0040", ("boot",))


def downgrade() -> None:
    """What was booted is not remembered."""
    raise NotImplementedError("Restore a backup instead.")
