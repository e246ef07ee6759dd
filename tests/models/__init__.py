"""Tests of lepton_fed.models."""
