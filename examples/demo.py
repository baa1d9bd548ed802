"""Find the landmarks on the portrait that comes with scikit-image (Eileen Collins, NASA, public domain).

python examples/demo.py [FOLDER]
"""

import sys
from pathlib import Path

import skimage.data
import skimage.io

from facelandmarks.cli.predict import main as predict


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    photo, image, result = (folder / name for name in ("astronaut.png", "astronaut_landmarks.png", "astronaut.json"))
    skimage.io.imsave(photo, skimage.data.astronaut(), check_contrast=False)
    code = predict([str(photo), "--json", str(result), "--draw", str(image), "--force"])
    if code == 0:
        print(f"\nLook at {image.resolve()}\nNumbers:  {result.resolve()}")
    return code


if __name__ == "__main__":
    sys.exit(main())
