"""Admission: the list of WATs is normalised, the job's id follows from the submission."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import profile
from pairmill.ledger.root import load_root
from pairmill_gateway.admission import admit, normalise_wats
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef


def test_b10_a_wat_listed_twice_is_one_wat() -> None:
    listing = normalise_wats(["a.wat.gz", "./a.wat.gz", "# comment", "", "b.wat.gz"], Path("/data"))
    assert listing.wats == ("/data/a.wat.gz", "/data/b.wat.gz")
    assert not listing.problems


def test_b13_a_bad_line_is_reported_and_the_rest_stays() -> None:
    lines = [f"https://host.example/{number}.wat.gz" for number in range(1000)]
    lines[500] = "ftp://host.example/bad.wat.gz"
    lines[700] = "with\x00zero"
    listing = normalise_wats(lines)
    assert len(listing.wats) == 998
    assert [problem.split(":")[0] for problem in listing.problems] == ["line 501", "line 701"]


def test_b10_the_same_submission_is_the_same_job() -> None:
    first = admit(profile("default"), ("/a", "/b"))
    again = admit(profile("default"), ("/a", "/b"))
    other = admit(profile("default"), ("/b", "/a"))
    assert first.spec.job_id == again.spec.job_id
    assert first.spec_ref == again.spec_ref
    assert other.spec.job_id != first.spec.job_id


def test_an_admitted_job_can_be_read_back() -> None:
    admission = admit(profile("laion-5b"), ("/a", "/b", "/c"))

    def load(ref: ObjectRef) -> bytes:
        return admission.objects[ref.key]

    root = load_root(admission.spec_ref, load)
    assert root.spec == admission.spec
    assert root.wats == ("/a", "/b", "/c")


def test_a_job_without_wats_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--wat"):
        admit(profile("default"), ())


def test_a_wrong_spec_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"plan\.ranges"):
        admit(JobSpec(), ("/a",))
