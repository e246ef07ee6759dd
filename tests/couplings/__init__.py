"""Tests of lepton_fed.couplings."""
