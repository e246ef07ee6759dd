"""Tests of lepton_fed.flower, clients and server: one process, no sockets, unless a test says otherwise."""
