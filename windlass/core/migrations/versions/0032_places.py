"""A desktop that waits for a place takes none."""

from windlass.core.migrations.sql import run_files

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace what counts places."""
    run_files("0032", ("places",))


def downgrade() -> None:
    """A restored backup knows the schema it was made with."""
    raise NotImplementedError("Restore a backup instead.")
