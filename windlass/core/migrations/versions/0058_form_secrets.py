"""Passwords in forms are sealed."""

from windlass.core.migrations.sql import run_files

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and have the functions take them along."""
    run_files("0058", ("form_secrets",))


def downgrade() -> None:
    """What is kept would be lost."""
    raise NotImplementedError("Restore a backup instead.")
