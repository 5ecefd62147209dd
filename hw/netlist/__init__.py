"""Synthesised netlists read, measured and improved before placement."""
