"""What is wrong with a request. Each is answered to whoever asked; none is a fault of the explorer."""

from __future__ import annotations

from pairmill.errors import PairmillError


class RequestError(PairmillError):
    """A request cannot be answered as it stands."""

    def __init__(self, field: str, description: str) -> None:
        """`field` is the request's field as in its message, such as `filters.similarity.min`."""
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description


class BadRequestError(RequestError):
    """A field holds what makes no sense."""


class TooLargeError(RequestError):
    """A field holds more than is taken."""


class NotFoundError(RequestError):
    """What a field names is not there."""
