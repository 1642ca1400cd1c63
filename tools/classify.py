"""The same as `hoopoe classify`."""

import sys

from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["classify", *sys.argv[1:]]))
