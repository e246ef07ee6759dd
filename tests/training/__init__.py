"""Tests of lepton_fed.training."""
