"""Whether anybody has signed in yet."""

from windlass.core.migrations.sql import run_files

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the function."""
    run_files("0028", ("entrance",))


def downgrade() -> None:
    """A restored backup knows the schema it was made with."""
    raise NotImplementedError("Restore a backup instead.")
