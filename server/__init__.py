"""The processes of the coordinator."""
