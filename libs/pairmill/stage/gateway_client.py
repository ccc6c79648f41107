"""The gateway's API as a stage sees it, over gRPC. The only module of a stage that knows gRPC."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc

from pairmill.closing import Closing
from pairmill.errors import RetriableError
from pairmill.stage.gateway_access import GatewayAccess
from pairmill_protos.gateway.v1.unit_service_pb2 import GetStandingsRequest, UnitKey, UnitStanding
from pairmill_protos.gateway.v1.unit_service_pb2_grpc import UnitServiceStub

_MAX_MESSAGE_BYTES: Final = 4 * 2**20


class GatewayClient(Closing):
    """Connects when first asked, and anew after a failure. Used by one thread, closed by any."""

    def __init__(self, target: str, config: GatewayAccess) -> None:
        """`target` is host:port of the API."""
        self._target = target
        self._config = config
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None

    def ask(self, units: Sequence[UnitKey]) -> Sequence[UnitStanding]:
        """Returns the standing of each unit, in order; raises RetriableError where there is no answer."""
        try:
            stub = UnitServiceStub(self._connected())
            answer = stub.GetStandings(
                GetStandingsRequest(units=units),
                timeout=self._config.deadline_seconds,
                metadata=self._metadata(),
            )
        except grpc.RpcError as error:
            self.close()
            raise RetriableError(f"gateway {self._target}: {error.code().name}") from error
        except OSError as error:
            self.close()
            raise RetriableError(f"gateway: {error.filename}: {error.strerror}") from error
        if len(answer.standings) != len(units):
            raise RetriableError(f"gateway {self._target}: {len(answer.standings)} answers to {len(units)}")
        return answer.standings

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _connected(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                self._channel = self._open()
            return self._channel

    def _open(self) -> grpc.Channel:
        options = (("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES), ("grpc.enable_retries", 0))
        if not self._config.is_encrypted:
            return grpc.insecure_channel(self._target, options)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(self._config.ca_file),
            private_key=_read(self._config.key_file),
            certificate_chain=_read(self._config.certificate_file),
        )
        return grpc.secure_channel(self._target, credentials, options)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        if self._config.token_file is None:
            return ()
        return (("authorization", f"Bearer {self._config.token_file.read_text().strip()}"),)


def _read(path: Path | None) -> bytes | None:
    return path.read_bytes() if path is not None else None
