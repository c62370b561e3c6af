"""How services were before an import."""

from windlass.core.migrations.sql import run_files

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    run_files("0047", ("service_backups",))


def downgrade() -> None:
    """What is kept would be lost."""
    raise NotImplementedError("Restore a backup instead.")
