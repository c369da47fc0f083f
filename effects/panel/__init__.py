"""Panels and repeated samples: who was treated, and from when on."""
