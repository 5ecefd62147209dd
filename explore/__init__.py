"""Exploration of the design space: candidates estimated, searched for several objectives, the front synthesised."""
