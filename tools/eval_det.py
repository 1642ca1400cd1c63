"""The same as `hoopoe evaluate`."""

import sys

from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
