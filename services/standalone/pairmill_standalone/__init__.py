"""The `pairmill` command and the embedded runner: the one place that imports the services."""
