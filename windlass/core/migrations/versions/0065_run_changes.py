"""Of a run it is known when it last changed in the lists."""

from windlass.core.migrations.sql import run_files

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Write it down from now on."""
    run_files("0065", ("run_changes",))


def downgrade() -> None:
    """There is nothing to give back."""
    raise NotImplementedError("Restore a backup instead.")
