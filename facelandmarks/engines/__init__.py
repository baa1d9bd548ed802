"""Ways to run a network on crops."""

TORCH_DEVICES = ("cpu", "cuda", "mps")  # here: naming them must load nothing, not even NumPy
