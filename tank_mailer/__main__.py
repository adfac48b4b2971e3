"""python -m tank_mailer."""

from tank_mailer.cli import main

main()
