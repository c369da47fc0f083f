"""The daemon: what is due, the life of a check, alerts, and who is told."""
