"""Decoders and flip averages on tensors, for devices from which whole maps would take long to fetch.

Each module is the twin of the one of the same name in `facelandmarks.decode`, which tells the rules and their sources.
Batched; nothing waits for the device, and no shape depends on values: calls can be recorded as a CUDA graph. In float32
throughout, as not every device has more.
"""
