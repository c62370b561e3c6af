"""What may go of the bytes that values, workspaces and attachments are kept as."""

from windlass.core.migrations.sql import run_files

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and fill them with what is named already."""
    run_files("0043", ("artifacts",))


def downgrade() -> None:
    """A restored backup knows the schema it was made with."""
    raise NotImplementedError("Restore a backup instead.")
