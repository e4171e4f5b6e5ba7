"""Finding a FastAPI app, serving it, and serving it again when its files change."""
