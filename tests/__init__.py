"""The tests, a folder for each of the house's; what they share is in ``support``."""
