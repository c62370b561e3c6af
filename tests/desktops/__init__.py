"""Desktops on a real container engine, from their records to their pages."""
