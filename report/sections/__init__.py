"""The sections of a report: pure functions from a design and what was measured to quantities and tables."""
