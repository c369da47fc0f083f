"""Adjusting for what treated and untreated rows differ in."""
