"""The management plane over REST v2."""
