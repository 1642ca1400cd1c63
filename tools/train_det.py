"""The same as `hoopoe train`."""

import sys

from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
