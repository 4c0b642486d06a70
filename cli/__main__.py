"""`python -m cli` is the `soulfra` command; the launcher starts its workers so."""

from cli import main

main()
