"""Synthesised netlists in a simulator: toggles by cell and by layer."""
