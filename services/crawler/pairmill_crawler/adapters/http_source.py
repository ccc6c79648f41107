"""A WAT behind an http(s) URL: fetched once from start to end, resumed where it breaks off (B11)."""

from __future__ import annotations

import http.client
import random
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, Final

from pairmill import __version__
from pairmill.errors import RetriableError
from pairmill_crawler.config import SourceConfig
from pairmill_crawler.ports import SourceMissingError

CHUNK_BYTES: Final = 1 << 18
MAX_RESUMES: Final = 200  # resumptions in all, whatever progress each made

_OK: Final = 200
_PARTIAL: Final = 206
_RANGE_NOT_SATISFIABLE: Final = 416
_RETRIABLE: Final = frozenset({408, 425, 429})
_SERVER_ERRORS: Final = 500
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _InterruptedError(Exception):
    """The exchange broke off; it may be tried again."""

    def __init__(self, detail: str, *, short: bool = False, wait_seconds: float = 0.0) -> None:
        super().__init__(detail)
        self.short = short  # the answer ended before its declared length, in good order
        self.wait_seconds = wait_seconds  # as the server asks


class HttpSource:
    """Reads a URL from an offset on, with ranged requests where the server knows them."""

    def __init__(
        self,
        url: str,
        offset: int,
        config: SourceConfig,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._url = url
        self._offset = offset
        self._first = offset
        self._config = config
        self._sleep = sleep
        self._jitter = jitter
        self._version: str | None = None  # entity tag of the first answer
        self._answer: http.client.HTTPResponse | None = None
        self._opener = _opener()
        self.size: int | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yields the body from the offset on.

        Raises SourceMissingError for a status that will stay, and RetriableError after as many tries
        without progress as are set. A body that goes on to end before its declared length ends here.
        """
        tries = 0
        for _ in range(MAX_RESUMES):
            before = self._offset
            try:
                yield from self._body()
                return
            except _InterruptedError as error:
                tries = 1 if self._offset > before else tries + 1
                if tries >= self._config.attempts:
                    if error.short:
                        return
                    raise RetriableError(f"{self._url}: {error}") from error
                self._sleep(self._wait(tries, error.wait_seconds))
            finally:
                self.close()
        raise RetriableError(f"{self._url}: broke off {MAX_RESUMES} times")

    def close(self) -> None:
        """Closes the connection."""
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _body(self) -> Iterator[bytes]:
        answer = self._answer = self._request()
        skip = self._offset - self._start_of(answer)
        while True:
            try:
                chunk = answer.read(CHUNK_BYTES)
            except http.client.IncompleteRead as error:
                raise _InterruptedError("the body ends early", short=True) from error
            except (OSError, http.client.HTTPException) as error:
                raise _InterruptedError(f"{type(error).__name__}: {error}") from error
            if not chunk:
                break
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            chunk, skip = chunk[skip:], 0
            self._offset += len(chunk)
            yield chunk
        if self.size is not None and self._offset < self.size:
            detail = f"the body ends at byte {self._offset} of {self.size}"
            raise _InterruptedError(detail, short=True)

    def _request(self) -> http.client.HTTPResponse:
        headers = {"User-Agent": f"pairmill/{__version__}", "Accept-Encoding": "identity"}
        if self._offset:
            headers["Range"] = f"bytes={self._offset}-"
            if self._version:
                headers["If-Range"] = self._version
        request = urllib.request.Request(self._url, headers=headers)
        try:
            answer: http.client.HTTPResponse = self._opener.open(
                request, timeout=self._config.timeout_seconds
            )
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error) from error
        except (ValueError, http.client.InvalidURL) as error:
            raise SourceMissingError(f"the address cannot be used: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            raise _InterruptedError(f"{type(error).__name__}: {error}") from error
        return answer

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        status = error.code
        if status in _RETRIABLE or status >= _SERVER_ERRORS:
            return _InterruptedError(
                f"status {status}", wait_seconds=_retry_after(error.headers.get("Retry-After"))
            )
        if status == _RANGE_NOT_SATISFIABLE:
            return RetriableError(f"{self._url}: has no byte {self._offset}: it is not what it was")
        if self._offset > self._first:
            return RetriableError(f"{self._url}: status {status} after it had begun")
        return SourceMissingError(f"status {status}")

    def _start_of(self, answer: http.client.HTTPResponse) -> int:
        """Returns the offset of the answer's first byte; notes size and version of the source."""
        start, size = 0, _number(answer.headers.get("Content-Length"))
        if answer.status == _PARTIAL:
            found = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) > self._offset:
                raise RetriableError(f"{self._url}: answers with another range than the one asked for")
            start, size = int(found[1]), _number(found[2])
        elif answer.status != _OK:
            raise SourceMissingError(f"status {answer.status}")
        version = answer.headers.get("ETag")
        if version and version.startswith("W/"):
            version = None  # a weak one says nothing of bytes
        if self._version not in (None, version) or (self.size is not None and size not in (None, self.size)):
            raise RetriableError(f"{self._url}: changed while it was read")
        self._version, self.size = version or self._version, size if size is not None else self.size
        return start

    def _wait(self, tries: int, asked: float) -> float:
        config = self._config
        backoff = min(config.max_backoff_seconds, config.backoff_seconds * 2.0 ** (tries - 1))
        return max(backoff * (0.5 + self._jitter() / 2), min(asked, config.max_backoff_seconds))


class _HttpRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Returns the next request; without one the redirect itself is the answer."""
        if not newurl.lower().startswith(("http://", "https://")):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https only, wherever it is redirected to; certificates are checked."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _HttpRedirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


def _retry_after(text: str | None) -> float:
    """Returns the seconds that Retry-After asks for; a date or anything else asks for none."""
    return float(_number(text) or 0)
