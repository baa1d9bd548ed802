"""Ways to run a network on crops."""
