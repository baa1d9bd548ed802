"""Any input as an RGB image: arrays, tensors, PIL images, files."""

from facelandmarks.images.arrays import MAX_PIXELS, ColorOrder, load_image

__all__ = ["MAX_PIXELS", "ColorOrder", "load_image"]
