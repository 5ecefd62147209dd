"""Data sets: read and checked from standard files, and augmented."""
