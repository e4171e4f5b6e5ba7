"""The `flash` command."""
