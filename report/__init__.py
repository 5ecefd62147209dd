"""Numbers as JSON first; tables are made from the JSON."""
