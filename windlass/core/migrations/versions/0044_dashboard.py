"""What runs came to, and what went wrong in them, over a month."""

from windlass.core.migrations.sql import run_files

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the indexes."""
    run_files("0044", ("dashboard",))


def downgrade() -> None:
    """Going back would lose nothing, but nobody has tried it."""
    raise NotImplementedError("Restore a backup instead.")
