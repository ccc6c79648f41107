"""The one step that all services run: task in, work, effect, ledger, commit (U2)."""
