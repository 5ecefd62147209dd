"""How much parallelism each layer gets: the record, the defaults, the search."""
