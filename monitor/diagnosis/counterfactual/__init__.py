"""Fitted mechanisms, and what rows would have been had some of them been the other window's."""
