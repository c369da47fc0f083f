"""Regression discontinuity: a threshold on a running variable decides on the treatment."""
