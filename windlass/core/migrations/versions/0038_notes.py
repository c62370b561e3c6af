"""Whoever gives a screen back may say something to the model that goes on."""

from windlass.core.migrations.sql import run_files

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and replace the functions."""
    run_files("0038", ("notes",))


def downgrade() -> None:
    """What was said is not forgotten."""
    raise NotImplementedError("Restore a backup instead.")
