"""The federations that ship with the library: TOML files, no code (importlib.resources finds them here)."""
