"""Networks of other programs: what a reader finds in them as operations, and their float graph."""
