"""What all services share: records, bus, store, ledger, stage step, telemetry."""

__version__ = "0.1.0"
