"""Can the effect be had at all, and from which columns: what a graph says."""
