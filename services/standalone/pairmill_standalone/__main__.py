"""The `pairmill` command."""

from __future__ import annotations

from pairmill_standalone.cli.app import app


def main() -> None:
    """Runs the command line; exits with its code."""
    app()


if __name__ == "__main__":
    main()
