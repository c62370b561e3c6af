"""What alembic runs for every command: our migrations are SQL, so it only ever writes a script."""

from alembic import context

context.configure(dialect_name="postgresql", output_buffer=context.config.output_buffer)
with context.begin_transaction():
    context.run_migrations()
