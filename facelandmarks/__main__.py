"""`python -m facelandmarks`: the command `facelandmarks`."""

import sys

from facelandmarks.cli import main

if __name__ == "__main__":
    sys.exit(main())
