"""Heterogeneity: for whom the treatment does more, and what knowing it is worth."""
