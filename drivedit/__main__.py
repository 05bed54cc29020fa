"""`python -m drivedit` is the command."""

import sys

from drivedit.command import main

if __name__ == "__main__":
    sys.exit(main())
