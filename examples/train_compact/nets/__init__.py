"""The networks of the next built-in models, and how the next detector looks; they move into the package with them."""
