"""Interrupted time series: one series, before and after an event."""
