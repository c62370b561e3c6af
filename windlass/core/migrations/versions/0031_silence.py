"""Sessions in which nothing happens."""

from windlass.core.migrations.sql import run_files

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index and the functions."""
    run_files("0031", ("silence",))


def downgrade() -> None:
    """A restored backup knows the schema it was made with."""
    raise NotImplementedError("Restore a backup instead.")
