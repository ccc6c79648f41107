"""Worlds that tests are about, made once."""

from __future__ import annotations

from functools import cache

from pairmill_synthweb.plan import build_world
from pairmill_synthweb.rules import Rules, demo_spec
from pairmill_synthweb.world import World
from tests.fakes.painter import FakePainter

SMALL = 700


@cache
def rules() -> Rules:
    return Rules.from_spec(demo_spec())


@cache
def world(candidates: int = SMALL, seed: int = 1) -> World:
    return build_world(seed=seed, candidates=candidates, rules=rules(), painter=FakePainter())
