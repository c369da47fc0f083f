"""The HTTP side of the daemon: who may ask, what the API answers, and the pages."""
