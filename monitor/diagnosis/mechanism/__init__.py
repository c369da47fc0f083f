"""Tests of whether P(column | parents) moved."""
