"""What alembic runs for every command: our migrations are SQL, so it only ever writes a script.

Every migration is a transaction: none holds its locks through the others, and one that was cut off goes on from there.
"""

from alembic import context

context.configure(dialect_name="postgresql", output_buffer=context.config.output_buffer, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
