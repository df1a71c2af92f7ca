"""``python -m hutch.testing diff URL``: see diff."""
import sys

from .diff import main

if __name__ == "__main__":
    if sys.argv[1:2] != ["diff"]:
        sys.exit("usage: python -m hutch.testing diff URL [--against URL] [--commands N] [--seed N] [--families A,B]")
    sys.exit(main(sys.argv[2:]))
