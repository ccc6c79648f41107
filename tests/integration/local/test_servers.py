"""The real servers come up, keep their data over a restart, and leave nothing."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import psutil

from deploy.local.http_ready import answers
from deploy.local.kafka import KafkaOptions, KafkaServer
from deploy.local.prometheus import PrometheusServer, scrape_config
from deploy.local.s3 import S3Server
from tests.fakes.components import MakeKafka, MakeKafkaCluster, MakeTriton
from tests.fakes.processes import has_ended

MODEL = """
class TritonPythonModel:
    def execute(self, requests):
        return [None for _ in requests]
"""
CONFIG = """
backend: "python"
max_batch_size: 1
input [{ name: "x" data_type: TYPE_FP32 dims: [1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]
"""


def test_a_killed_broker_comes_back_with_its_data_and_listeners(make_kafka: MakeKafka) -> None:
    options = KafkaOptions(listeners={"OTHER": "PLAINTEXT"}, properties={"num.io.threads": "3"})
    broker = make_kafka(options)
    identity = (broker.folder / "data" / "meta.properties").read_text()
    assert broker.listener("OTHER") != broker.address
    assert "num.io.threads = 3" in broker.log()
    broker.kill()
    broker.start()
    assert (broker.folder / "data" / "meta.properties").read_text() == identity
    assert broker.stop()
    assert has_ended(broker.pid)


def test_three_brokers_form_one_cluster(make_kafka_cluster: MakeKafkaCluster) -> None:
    cluster = make_kafka_cluster(3)
    assert len(set(cluster.servers)) == 3
    assert all(broker.alive for broker in cluster.brokers)
    assert cluster.bus_url == f"kafka://{','.join(cluster.servers)}"


def test_the_broker_of_the_session_serves(kafka_server: KafkaServer) -> None:
    assert kafka_server.is_ready()


def test_credentials_are_for_the_owner_alone_and_unlike_anothers(make_s3: Callable[[], S3Server]) -> None:
    one, other = make_s3(), make_s3()
    assert stat.S_IMODE(one.credentials_file.stat().st_mode) == 0o600
    written = json.loads(one.credentials_file.read_text())
    assert written == {
        "access_key": one.credentials.access_key,
        "secret_key": one.credentials.secret_key,
    }
    assert one.credentials != other.credentials


def test_a_tritonserver_is_ready_with_its_models_and_ends_with_their_processes(
    make_triton: MakeTriton, tmp_path: Path
) -> None:
    (tmp_path / "model" / "1").mkdir(parents=True)
    (tmp_path / "model" / "config.pbtxt").write_text(CONFIG)
    (tmp_path / "model" / "1" / "model.py").write_text(MODEL)
    server = make_triton(tmp_path)
    assert answers(f"http://{server.http_address}/v2/models/model/ready")
    assert answers(f"http://{server.metrics_address}/metrics")
    children = [child.pid for child in psutil.Process(server.pid).children(recursive=True)]
    assert children
    server.kill()
    assert all(has_ended(pid) for pid in (server.pid, *children))
    server.start()


def test_a_prometheus_scrapes_what_it_is_told_to(
    make_prometheus: Callable[[Path], PrometheusServer], tmp_path: Path
) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text(scrape_config({"somebody": ["127.0.0.1:1"]}))
    server = make_prometheus(config)
    assert answers(f"http://{server.address}/api/v1/targets?state=active&scrapePool=somebody")
    assert server.promtool.exists()
