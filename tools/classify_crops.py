"""The same as `hoopoe classify-crops`."""

import sys

from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["classify-crops", *sys.argv[1:]]))
