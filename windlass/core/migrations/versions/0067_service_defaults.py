"""What services have where they say nothing themselves."""

from windlass.core.migrations.sql import run_files

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have a place for it, and know who has a number of replicas of their own."""
    run_files("0067", ("service_defaults",))


def downgrade() -> None:
    """There is nothing to give back."""
    raise NotImplementedError("Restore a backup instead.")
