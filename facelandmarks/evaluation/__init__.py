"""Accuracy: data sets as they were released, metrics, and the protocols of published tables."""
