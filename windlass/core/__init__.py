"""The server's shared code; not part of the published wheel."""
