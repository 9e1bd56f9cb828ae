"""`python -m backlight` is the `backlight` program."""

from backlight.cli.main import main

if __name__ == "__main__":
    main()
