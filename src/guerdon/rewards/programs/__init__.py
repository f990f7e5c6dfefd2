"""Programs and queries, run apart from everything and compared outside."""
