"""What keeps the API key out of texts, and unpickling harmless."""
