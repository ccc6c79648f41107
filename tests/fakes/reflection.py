"""The methods of a server, as it describes itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub


@dataclass(frozen=True)
class Described:
    """A method."""

    name: str  # /package.Service/Method
    streams_in: bool
    streams_out: bool

    def call(self, channel: grpc.Channel, request: bytes, **options: Any) -> list[bytes]:
        """Calls it with these bytes; returns the bytes of the answers, of streams the first only."""
        method, sent = self._method(channel), iter([request]) if self.streams_in else request
        if not self.streams_out:
            return [method(sent, **options)]
        answers = method(sent, **options)
        try:
            return [next(answers)]
        finally:
            answers.cancel()

    def _method(self, channel: grpc.Channel) -> Any:
        kinds: dict[tuple[bool, bool], Any] = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, False): channel.stream_unary,
            (True, True): channel.stream_stream,
        }
        return kinds[self.streams_in, self.streams_out](self.name)


def outcomes(
    target: str, described: Sequence[Described], request: bytes = b"", **options: Any
) -> dict[str, str]:
    """Calls every method with these bytes; returns by name how that ended."""
    found = {}
    with grpc.insecure_channel(target) as channel:
        for method in described:
            try:
                method.call(channel, request, **options)
                found[method.name] = "OK"
            except grpc.RpcError as error:
                found[method.name] = error.code().name
    return found


def methods_of(channel: grpc.Channel, metadata: Sequence[tuple[str, str]]) -> list[Described]:
    """Returns every method of every service that a server lists."""
    services = _ask(channel, metadata, ServerReflectionRequest(list_services="")).list_services_response
    return [method for service in services.service for method in _methods(channel, metadata, service.name)]


def _methods(
    channel: grpc.Channel, metadata: Sequence[tuple[str, str]], service_name: str
) -> list[Described]:
    request = ServerReflectionRequest(file_containing_symbol=service_name)
    answer = _ask(channel, metadata, request).file_descriptor_response
    files = [FileDescriptorProto.FromString(data) for data in answer.file_descriptor_proto]
    return [
        Described(f"/{service_name}/{method.name}", method.client_streaming, method.server_streaming)
        for file in files
        for service in file.service
        if f"{file.package}.{service.name}" == service_name
        for method in service.method
    ]


def _ask(
    channel: grpc.Channel, metadata: Sequence[tuple[str, str]], request: ServerReflectionRequest
) -> ServerReflectionResponse:
    stub: Any = ServerReflectionStub(channel)
    answers = stub.ServerReflectionInfo(iter([request]), timeout=10, metadata=tuple(metadata))
    answer: ServerReflectionResponse = next(answers)
    return answer
