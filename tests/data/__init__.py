"""Tests of lepton_fed.data."""
