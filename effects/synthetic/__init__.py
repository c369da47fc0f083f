"""Synthetic control: a mix of untreated units that stands for a treated one."""
