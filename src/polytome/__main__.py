"""`python -m polytome` is the command `polytome`."""

from polytome.cli import main

if __name__ == "__main__":
    main()
