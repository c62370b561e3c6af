"""Questions that models ask in sessions."""

from windlass.core.migrations.sql import run_files

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the functions, and remember how long a turn waited for people."""
    run_files("0026", ("asking",))


def downgrade() -> None:
    """What was asked is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
