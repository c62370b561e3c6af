"""A run that is forgotten has no files any more."""

from windlass.core.migrations.sql import run_files

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the function."""
    run_files("0037", ("forgetting",))


def downgrade() -> None:
    """What was forgotten is not remembered."""
    raise NotImplementedError("Restore a backup instead.")
