"""Sessions that are handed over."""

from windlass.core.migrations.sql import run_files

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a session become somebody else's."""
    run_files("0057", ("session_handover",))


def downgrade() -> None:
    """Whose a session is would be lost."""
    raise NotImplementedError("Restore a backup instead.")
