"""Scores of a column given possible parents, and the features that they are computed from."""
