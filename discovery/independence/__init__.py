"""Conditional-independence tests: does X tell anything about Y once Z is known."""
