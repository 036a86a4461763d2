"""Lets ``python -m tempering`` be the program."""

from tempering.cli.main import main

if __name__ == "__main__":
    main()
