"""Any input as an RGB image: arrays, tensors, PIL images, files."""

from facelandmarks.images.arrays import ColorOrder, load_image

__all__ = ["ColorOrder", "load_image"]
