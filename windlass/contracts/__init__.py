"""The words both sides speak: frozen, serialisable, without I/O."""
