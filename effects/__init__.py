"""How much: what a difference between groups of rows amounts to, given their covariates."""
