"""From the raw output of a network to points in pixels of its crop."""
