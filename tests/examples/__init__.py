"""Tests of lepton_fed.examples."""
