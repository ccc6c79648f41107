"""The `pairmill` command."""

from __future__ import annotations

from pairmill.memory import give_back_freed_memory


def main() -> None:
    """Runs the command line; exits with its code."""
    give_back_freed_memory()  # the services of a run inherit it; pyarrow asks once, when it is imported
    from pairmill_standalone.cli.app import app

    app()


if __name__ == "__main__":
    main()
