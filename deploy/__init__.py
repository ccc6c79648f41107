"""How Pairmill is put up: on one machine from real parts, in containers, in a cluster."""
