"""The protocol of clip-retrieval's back end: clients written for it work unchanged.

The messages are its own; protobuf has no part in it.
"""
