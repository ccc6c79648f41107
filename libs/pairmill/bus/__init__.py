"""Work queues and the ledger topic: one port, one adapter per broker."""
