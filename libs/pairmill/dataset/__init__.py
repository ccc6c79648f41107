"""A finished dataset: its manifest, its ledger file, and what reads, audits and compares them."""
