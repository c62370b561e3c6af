"""What looks across all tenants, alone with a database."""
