"""How many sessions one person has at work, by one rule."""

from windlass.core.migrations.sql import run_files

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have whoever counts them count the same."""
    run_files("0062", ("at_work",))


def downgrade() -> None:
    """Code of before asks for what is gone."""
    raise NotImplementedError("Restore a backup instead.")
