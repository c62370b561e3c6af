"""Tasks: saved ways to start an agent."""

from windlass.core.migrations.sql import run_files

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tasks, their versions, and which runs come from them."""
    run_files("0005", ("tasks",))


def downgrade() -> None:
    """What was made from tasks would forget where it comes from."""
    raise NotImplementedError("Restore a backup instead.")
