"""The ledger and the one walk over it that says what is true (U3)."""
