"""Published results, computed again with the core."""
