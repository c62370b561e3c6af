"""Archives of services, with what each weighs and whether it is named."""

from windlass.core.migrations.sql import run_files

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    run_files("0050", ("service_archives",))


def downgrade() -> None:
    """What is kept would be lost."""
    raise NotImplementedError("Restore a backup instead.")
