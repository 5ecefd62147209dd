"""Layers whose weights are constants in logic: tables and carry chains, found by search, proven by evaluation."""
