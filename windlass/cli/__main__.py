"""`python -m windlass.cli`: the command, where its script is not installed."""

from windlass.cli import main

if __name__ == "__main__":
    main()
