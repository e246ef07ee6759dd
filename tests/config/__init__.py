"""Tests of lepton_fed.config."""
