"""Tests of the federations that ship."""
