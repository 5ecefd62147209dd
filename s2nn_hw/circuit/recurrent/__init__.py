"""Circuits of networks of sequences: a tick at a time through layers that keep their states."""
