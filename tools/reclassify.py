"""The same as `hoopoe reclassify`."""

import sys

from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["reclassify", *sys.argv[1:]]))
