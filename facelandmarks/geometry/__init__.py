"""From a box to the crop of a picture, and from points of the crop back to the picture."""
