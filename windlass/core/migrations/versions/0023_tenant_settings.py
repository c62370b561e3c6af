"""Settings of organisations, beside those of the installation."""

from windlass.core.migrations.sql import run_files

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    run_files("0023", ("tenant_settings",))


def downgrade() -> None:
    """What people set is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
