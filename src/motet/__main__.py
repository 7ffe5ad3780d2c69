"""`python -m motet`: the same as the command `motet`, for the Python that runs it."""

from motet.cli.main import main

main()
