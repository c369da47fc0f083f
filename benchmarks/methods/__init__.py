"""Methods that answer the question "which mechanisms changed?", behind one table."""
