"""Networks: plain torch modules, numbers in the constructor."""
