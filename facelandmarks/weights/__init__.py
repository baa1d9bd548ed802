"""From bytes to verified weights."""
