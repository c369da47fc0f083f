"""Instruments: something that moves the treatment, and the outcome through it alone."""
