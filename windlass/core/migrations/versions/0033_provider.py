"""What asking the model provider has come to, minute by minute."""

from windlass.core.migrations.sql import run_files

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the function that writes them."""
    run_files("0033", ("provider",))


def downgrade() -> None:
    """What was found is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
