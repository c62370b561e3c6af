"""Questions: what runs ask people, and what they answered."""

from windlass.core.migrations.sql import run_files

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and its functions; runs project their question events from now on."""
    run_files("0002", ("questions",))


def downgrade() -> None:
    """Answers are not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
