"""`python -m drillbox` is the command."""

from .wiring import main

main()
