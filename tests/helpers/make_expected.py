"""Write the expected landmarks again, after the weights of compact_300w have changed on purpose.

python tests/helpers/make_expected.py
"""

import json

import skimage.data
from test_model import EXPECTED, FACE

import facelandmarks as fl

faces = fl.load_model("compact_300w", device="cpu").predict(skimage.data.astronaut(), FACE)
document = {
    "picture": "skimage.data.astronaut()",
    "box": list(FACE),
    "points": [[round(float(v), 3) for v in p] for p in faces.points[0]],
}
EXPECTED.write_text(json.dumps(document) + "\n")
