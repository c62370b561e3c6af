"""Files on their way whose size is not known yet."""

from windlass.core.migrations.sql import run_files

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A size may be missing until the file is whole."""
    run_files("0053", ("upload_sizes",))


def downgrade() -> None:
    """What is kept would be lost."""
    raise NotImplementedError("Restore a backup instead.")
