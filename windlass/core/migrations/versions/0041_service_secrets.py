"""Secrets of services."""

from windlass.core.migrations.sql import run_files

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    run_files("0041", ("service_secrets",))


def downgrade() -> None:
    """What is sealed stays sealed."""
    raise NotImplementedError("Restore a backup instead.")
