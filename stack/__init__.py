"""One machine: every part under one supervisor."""
