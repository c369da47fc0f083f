"""The demonstration: four windows of real wines, one question each, the truth beside the answer."""
