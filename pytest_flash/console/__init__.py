"""The page at ``/__flash__`` that shows what ``flash run`` is doing."""
