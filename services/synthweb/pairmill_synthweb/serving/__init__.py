"""The synthetic web on the wire: one server on loopback that answers for all hosts."""
