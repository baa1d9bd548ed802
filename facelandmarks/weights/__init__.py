"""From bytes to a verified state dict."""
