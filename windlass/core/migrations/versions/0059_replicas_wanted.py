"""A run does not wait for a replica that is not wanted any more."""

from windlass.core.migrations.sql import run_files

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say it anew."""
    run_files("0059", ("replicas_wanted",))


def downgrade() -> None:
    """There is nothing to give back."""
    raise NotImplementedError("Restore a backup instead.")
