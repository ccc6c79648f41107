"""Kafka, an S3 server, tritonserver and Prometheus on this machine, for tests and for a stack to try.

Run from the repository's root. What a component needs is fetched or built once, into a cache outside the
tree; nothing is installed on the machine.
"""
