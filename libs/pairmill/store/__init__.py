"""Object storage: one port, one adapter per kind of store."""
