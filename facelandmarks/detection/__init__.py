"""From a picture to the boxes of its faces."""
