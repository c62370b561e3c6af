"""Of a replica it is known with which generation it did not come up, also while its host of an earlier one serves."""

from windlass.core.migrations.sql import run_files

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Write it down from now on."""
    run_files("0063", ("replicas_failed",))


def downgrade() -> None:
    """There is nothing to give back."""
    raise NotImplementedError("Restore a backup instead.")
