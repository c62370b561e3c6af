"""How organisations were before an import."""

from windlass.core.migrations.sql import run_files

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    run_files("0060", ("tenant_backups",))


def downgrade() -> None:
    """What is kept would be lost."""
    raise NotImplementedError("Restore a backup instead.")
