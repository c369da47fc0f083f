"""Data faults: recorded values that broke, found before any mechanism is tested."""
