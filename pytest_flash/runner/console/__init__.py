"""The console of ``flash run``: where events arrive, and how the page is served."""
