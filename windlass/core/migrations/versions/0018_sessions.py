"""Sessions: conversations with a model."""

from windlass.core.migrations.sql import run_files

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables and functions."""
    run_files("0018", ("sessions",))


def downgrade() -> None:
    """What was said is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
