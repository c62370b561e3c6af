"""Approvals: questions that turns of sessions ask."""

from windlass.core.migrations.sql import run_files

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let questions belong to sessions."""
    run_files("0020", ("approvals",))


def downgrade() -> None:
    """What was decided is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
