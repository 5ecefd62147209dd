"""Boards and their FPGAs: pins, clocks, budgets."""
