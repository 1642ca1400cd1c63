"""The same as `hoopoe annotate`."""

import sys

from detector.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["annotate", *sys.argv[1:]]))
