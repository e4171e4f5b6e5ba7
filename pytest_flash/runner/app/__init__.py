"""The app: where it is, how it is imported, and how it is to be served."""
