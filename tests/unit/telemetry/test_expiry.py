"""Certificates and tokens that end are measures, whatever setting names them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import trustme
from prometheus_client import CollectorRegistry

from pairmill.errors import ConfigurationError
from pairmill.rpc.callers import Role
from pairmill.rpc.config import RpcTls
from pairmill.rpc.tokens import entry_lines, new_token
from pairmill.service import ServiceConfig, run_stage
from pairmill.telemetry.certificates import ends_of
from pairmill.telemetry.expiry import show_expiry
from tests.fakes.clock import ManualClock
from tests.fakes.stage import GROUP, ToyHandler, one_row

SOON: Final = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
LATER: Final = datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)  # written as GeneralizedTime


@dataclass(frozen=True, kw_only=True)
class Config:
    tls: RpcTls = field(default_factory=RpcTls)
    tokens_file: Path | None = None


def certificate(ends: datetime) -> str:
    return trustme.CA().issue_cert("gateway", not_after=ends).cert_chain_pems[0].bytes().decode()


def shown(clock: ManualClock, config: Config) -> CollectorRegistry:
    registry = CollectorRegistry()
    show_expiry(registry, clock, config)
    return registry


def end_shown(registry: CollectorRegistry, what: str, setting: str) -> float | None:
    name = f"pairmill_{what}_expiry_timestamp_seconds"
    return registry.get_sample_value(name, {"setting": setting})


@pytest.mark.parametrize("end", [SOON, LATER], ids=["UTCTime", "GeneralizedTime"])
def test_the_end_of_a_certificate_is_read(end: datetime) -> None:
    assert ends_of(certificate(end)) == [end]


@pytest.mark.parametrize("end", ["", "A", "AAAA", "MAMCAQE="], ids=["empty", "short", "zeros", "number"])
def test_what_is_no_certificate_is_said_to_be_none(end: str) -> None:
    with pytest.raises(ValueError):
        ends_of(f"-----BEGIN CERTIFICATE-----\n{end}\n-----END CERTIFICATE-----\n")


def test_a_text_without_certificates_has_no_end() -> None:
    assert ends_of("") == []


def test_the_first_end_of_a_chain_and_the_last_of_several_authorities_count(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(certificate(LATER) + certificate(SOON))
    tls = RpcTls(certificate_file=both, key_file=both, client_ca_file=both)
    registry = shown(ManualClock(), Config(tls=tls))
    assert end_shown(registry, "certificate", "tls.certificate_file") == SOON.timestamp()
    assert end_shown(registry, "certificate", "tls.client_ca_file") == LATER.timestamp()


def test_a_new_certificate_shows_and_a_broken_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "chain.pem"
    file.write_text(certificate(SOON))
    registry = shown(ManualClock(), Config(tls=RpcTls(certificate_file=file, key_file=file)))
    assert end_shown(registry, "certificate", "tls.certificate_file") == SOON.timestamp()
    file.write_text(certificate(LATER) + "\n")
    assert end_shown(registry, "certificate", "tls.certificate_file") == LATER.timestamp()
    file.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert end_shown(registry, "certificate", "tls.certificate_file") is None
    file.unlink()
    assert end_shown(registry, "certificate", "tls.certificate_file") is None


def test_the_next_token_to_end_counts_and_those_that_ended_do_not(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "tokens.toml"
    ends = {"past": -1, "next": 5, "last": 9}
    entries = [
        entry_lines(name, Role.READ, "default", new_token(), clock.now() + timedelta(days=days))
        for name, days in ends.items()
    ]
    file.write_text("\n".join([*entries, entry_lines("ever", Role.READ, "default", new_token(), None)]))
    registry = shown(clock, Config(tokens_file=file))
    expected = (clock.now() + timedelta(days=5)).timestamp()
    assert end_shown(registry, "token", "tokens_file") == pytest.approx(expected, abs=1)


def test_tokens_without_an_end_never_end(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(entry_lines("ever", Role.READ, "default", new_token(), None))
    assert end_shown(shown(ManualClock(), Config(tokens_file=file)), "token", "tokens_file") == math.inf


def test_settings_that_name_no_file_show_nothing() -> None:
    families = {family.name: family.samples for family in shown(ManualClock(), Config()).collect()}
    assert families == {
        "pairmill_certificate_expiry_timestamp_seconds": [],
        "pairmill_token_expiry_timestamp_seconds": [],
    }


def test_a_stage_shows_what_its_handlers_own_settings_name(tmp_path: Path) -> None:
    """As of its start, which here ends at once: there is no such bus."""
    file, registry = tmp_path / "chain.pem", CollectorRegistry()
    file.write_text(certificate(SOON))
    service = ServiceConfig(
        bus_url="nowhere://", store_url=f"file://{tmp_path}", member="a", scratch=tmp_path
    )
    own = Config(tls=RpcTls(certificate_file=file, key_file=file))
    with pytest.raises(ConfigurationError, match="bus_url"):
        run_stage(service, ToyHandler(one_row), group=GROUP, registry=registry, own=[own])
    assert end_shown(registry, "certificate", "tls.certificate_file") == SOON.timestamp()
