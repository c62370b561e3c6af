"""How the parts of the installation were, minute by minute."""

from windlass.core.migrations.sql import run_files

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the function that writes them."""
    run_files("0021", ("health",))


def downgrade() -> None:
    """What was found is not thrown away."""
    raise NotImplementedError("Restore a backup instead.")
