"""Landmarks as text that other programs read, and back."""
