"""Tests of the coordinator's process."""
