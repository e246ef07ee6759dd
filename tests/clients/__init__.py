"""Tests of a department's process."""
