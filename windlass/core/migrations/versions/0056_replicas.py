"""Services with several hosts."""

from windlass.core.migrations.sql import run_files

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the number, the table and what asks them."""
    run_files("0056", ("replicas",))


def downgrade() -> None:
    """Hosts would be lost."""
    raise NotImplementedError("Restore a backup instead.")
