"""From the raw output of a network to points in pixels of its crop.

All decoders take a batch and return points, float32 (N, K, 2), and scores, float32 (N, K). `facelandmarks.pipeline`
lists them by name. Only `on_device` imports torch.
"""
