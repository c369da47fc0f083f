"""Searches for the graph behind the data."""
