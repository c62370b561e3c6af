"""Sessions: conversations with a model."""

from windlass.core.migrations.sql import run_files

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables and functions."""
    run_files("0013", ("sessions",))


def downgrade() -> None:
    """What was said is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
