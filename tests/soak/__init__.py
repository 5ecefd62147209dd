"""Tests that run for as long as wanted."""
