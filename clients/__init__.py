"""The processes of a department."""
