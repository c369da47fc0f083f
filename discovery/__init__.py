"""What causes what: pure mathematics, without files, clocks or network."""
