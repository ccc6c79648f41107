"""What downloaders of a cluster need around them: Kafka, an S3 server, a gateway, and jobs to work for."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import grpc

from deploy.local.kafka import KafkaServer
from deploy.local.ports import free_port
from deploy.local.s3 import S3Server
from deploy.local.secret_files import TokenFiles, draw_tokens
from deploy.local.service import ServiceProcess
from deploy.local.settings import BUCKET, Addresses, service_env
from pairmill.bus.kafka import KafkaBus
from pairmill.bus.kafka_admin import KafkaAdmin
from pairmill.bus.port import TopicPartition
from pairmill.bus.settings import KafkaConfig
from pairmill.bus.topics import topic_partitions
from pairmill.store.factory import open_store
from pairmill.store.settings import S3Config
from pairmill.units import JOBS_TOPIC, LEDGER_TOPIC
from pairmill_models.tiny import bundle_path
from pairmill_protos.gateway.v1.job_service_pb2 import SubmitJobRequest
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from pairmill_protos.job.v1.job_pb2 import JobAdmitted
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, UnitDone
from tests.bench.download_tasks import Job

_LIMIT_SECONDS: Final = 900.0
_LOOK_SECONDS: Final = 0.05
_READ_RECORDS: Final = 1000


class Site:
    """Servers and gateway that are up, with one connection to each."""

    def __init__(
        self,
        addresses: Addresses,
        tokens: TokenFiles,
        kafka: KafkaServer,
        gateway: ServiceProcess,
        folder: Path,
    ) -> None:
        self.kafka = kafka
        self.gateway = gateway
        self.bus = KafkaBus((kafka.address,), KafkaConfig())
        self.store = open_store(
            addresses.store_url,
            S3Config(endpoint=addresses.s3_endpoint, credentials_file=addresses.s3_credentials_file),
        )
        self._addresses = addresses
        self._token = tokens.user.read_text()
        self._folder = folder

    def close(self) -> None:
        """Closes the connections."""
        self.bus.close()
        self.store.close()

    def submit(self, settings: Mapping[str, str]) -> Job:
        """Has a job admitted whose one WAT nobody reads: its download units come from elsewhere."""
        request = SubmitJobRequest(
            idempotency_key=secrets.token_hex(8), wats=["https://wats.example/0.wat.gz"], settings=settings
        )
        metadata = (("authorization", f"Bearer {self._token}"),)
        with grpc.insecure_channel(self._addresses.api) as channel:
            answer = JobServiceStub(channel).SubmitJob(request, timeout=60, metadata=metadata)
        job = answer.job
        messages = self.bus.read(TopicPartition(JOBS_TOPIC, 0), start=0, max_records=_READ_RECORDS)
        value = next(message.value for message in messages if message.key == f"{job.job_id}/spec".encode())
        return Job(admitted=JobAdmitted.FromString(value), spec=job.spec)

    def ends(self, job_id: str, count: int, start: int) -> list[UnitDone]:
        """Waits for so many ends of a job's units from a place in the ledger on, and returns them."""
        found: list[UnitDone] = []
        ledger, deadline = TopicPartition(LEDGER_TOPIC, 0), time.monotonic() + _LIMIT_SECONDS
        while len(found) < count:
            messages = self.bus.read(ledger, start=start, max_records=_READ_RECORDS)
            for message in messages:
                record = LedgerRecord.FromString(message.value)
                if record.HasField("failed"):
                    raise RuntimeError(f"a unit failed:\n{record.failed}")
                if record.done.job_id == job_id:
                    found.append(record.done)
            start = messages[-1].offset + 1 if messages else start
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(found)} of {count} units ended in {_LIMIT_SECONDS:g} s")
            time.sleep(_LOOK_SECONDS)
        return found

    def ledger_end(self) -> int:
        """Returns where the next record of the ledger will stand."""
        return self.bus.end_offset(TopicPartition(LEDGER_TOPIC, 0))

    @contextmanager
    def downloaders(self, count: int, extra: Mapping[str, str]) -> Iterator[Sequence[ServiceProcess]]:
        """Gives so many downloaders that are up, each with the same number of partitions."""
        folder = self._folder / secrets.token_hex(4)
        env = service_env(self._addresses, "downloader", extra)
        members = [
            ServiceProcess(f"downloader-{number}", "downloader", folder / str(number), env)
            for number in range(count)
        ]
        with ExitStack() as stack:
            for member in members:
                stack.callback(member.stop)
                member.launch()
            for member in members:
                member.wait_ready()
            yield members


@contextmanager
def site(folder: Path, partitions: int) -> Iterator[Site]:
    """Starts servers and a gateway, and stops them."""
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaServer(folder / "kafka"))
        s3 = stack.enter_context(S3Server(folder / "s3"))
        s3.make_bucket(BUCKET)
        with KafkaAdmin((kafka.address,), KafkaConfig()) as admin:
            for topic, count in topic_partitions(partitions).items():
                admin.create_topic(topic, count)
        tokens = draw_tokens(folder)
        addresses = _addresses(kafka, s3, tokens)
        env = service_env(addresses, "gateway", {})
        gateway = stack.enter_context(ServiceProcess("gateway-0", "gateway", folder / "gateway", env))
        found = Site(addresses, tokens, kafka, gateway, folder)
        stack.callback(found.close)
        yield found


def _addresses(kafka: KafkaServer, s3: S3Server, tokens: TokenFiles) -> Addresses:
    return Addresses(
        bus_url=kafka.bus_url,
        s3_endpoint=s3.endpoint,
        s3_credentials_file=s3.credentials_file,
        triton="",
        api=f"127.0.0.1:{free_port()}",
        explorer="",
        explorer_api="",
        tokens_file=tokens.known,
        stage_token_file=tokens.stages,
        user_token_file=tokens.user,
        bundles=bundle_path().parent,
        bundle=bundle_path(),
    )


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Returns once a condition holds; raises RuntimeError where it does not in time."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come about")
        time.sleep(_LOOK_SECONDS)
