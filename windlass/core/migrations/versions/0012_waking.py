"""Tasks wake their desktop, whoever gave them."""

from windlass.core.migrations.sql import run_files

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the function that gives a run its desktop."""
    run_files("0012", ("waking",))


def downgrade() -> None:
    """Tasks would wait for a desktop that nobody starts."""
    raise NotImplementedError("Restore a backup instead.")
