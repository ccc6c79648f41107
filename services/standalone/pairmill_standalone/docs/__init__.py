"""The generated pages of `docs/`: `python -m pairmill_standalone.docs [--check]`."""
