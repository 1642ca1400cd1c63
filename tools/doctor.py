"""The same as `hoopoe doctor`."""

import sys

from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["doctor", *sys.argv[1:]]))
