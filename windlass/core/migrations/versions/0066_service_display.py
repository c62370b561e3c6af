"""A service has a name that is shown."""

from windlass.core.migrations.sql import run_files

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep it beside its own."""
    run_files("0066", ("service_display",))


def downgrade() -> None:
    """There is nothing to give back."""
    raise NotImplementedError("Restore a backup instead.")
