"""The Python a service asks for."""

from windlass.core.migrations.sql import run_files

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    run_files("0052", ("service_python",))


def downgrade() -> None:
    """What is kept would be lost."""
    raise NotImplementedError("Restore a backup instead.")
