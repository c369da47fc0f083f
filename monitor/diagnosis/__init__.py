"""What changed between two windows: faults, mechanisms, verdicts; pure."""
