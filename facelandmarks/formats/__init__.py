"""Text that other programs read <-> plain records, as `Landmarks.to_dict` gives them."""

CARRIED = ("detector_points", "depth", "expected_error")
"""Fields of a face that are None where neither the detector nor the model gives them."""
