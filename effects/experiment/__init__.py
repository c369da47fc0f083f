"""Experiments: who was treated was decided by a draw; what is left is to count it right."""
