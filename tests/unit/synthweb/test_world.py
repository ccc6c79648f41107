"""The plan of a synthetic web."""

from __future__ import annotations

from collections import Counter

import pytest

from pairmill.errors import ConfigurationError
from pairmill.ids import sample_id
from pairmill.reasons import parse_reason
from pairmill_synthweb.kinds.table import KINDS, least_candidates
from pairmill_synthweb.plan import build_world
from pairmill_synthweb.world import ALWAYS, Answer, Codec, Damage, Page, Redraws, RobotsPolicy, Treatment
from tests.fakes.painter import FakePainter
from tests.unit.synthweb.worlds import SMALL, rules, world


def test_equal_arguments_give_equal_worlds() -> None:
    again = build_world(seed=1, candidates=SMALL, rules=rules(), painter=FakePainter())
    assert again == world()


def test_another_seed_gives_another_world() -> None:
    ours = {sample_id(one.url, one.text) for one in world().candidates}
    theirs = {sample_id(one.url, one.text) for one in world(seed=2).candidates}
    assert len(ours & theirs) < SMALL // 100


@pytest.mark.parametrize("candidates", [least_candidates(), SMALL, 3000])
def test_it_has_exactly_so_many_candidates_on_enough_hosts(candidates: int) -> None:
    made = world(candidates)
    assert len({sample_id(one.url, one.text) for one in made.candidates}) == candidates
    assert len({one.host for one in made.resources}) >= candidates / 100


@pytest.mark.parametrize("candidates", [least_candidates(), 3000])
def test_every_kind_of_link_is_there(candidates: int) -> None:
    found = Counter(one.kind for one in world(candidates).candidates)
    assert [kind.name for kind in KINDS if not found[kind.name]] == []


def test_kinds_that_cost_time_stay_few_in_a_large_world() -> None:
    made = world(30_000)
    waiting = [
        one
        for one in made.resources
        if one.failures == ALWAYS and one.failure in (Answer.SILENT, Answer.DRIP)
    ]
    assert len(waiting) <= 16


def test_every_way_to_answer_is_there() -> None:
    resources = world().resources
    answers = {one.answer for one in resources} | {one.failure for one in resources if one.failures}
    assert answers == set(Answer)
    pictures = [one.picture for one in resources if one.picture]
    assert {one.codec for one in pictures} == set(Codec)
    assert {one.orientation for one in pictures} == set(range(1, 9))
    assert {one.treatment for one in pictures} == set(Treatment)
    assert {one.damage for one in pictures} == set(Damage)
    assert {host.robots for host in world().hosts.values()} == set(RobotsPolicy)


def test_reasons_are_those_of_the_closed_list() -> None:
    reasons = {one.reason for one in world().candidates} | {
        link.drop for wat in world().wats for page in wat.pages() for link in page.links
    }
    for reason in reasons:
        parse_reason(reason)  # raises for an unknown one
    assert len(reasons) > 40


def test_every_candidate_is_linked_to_and_nothing_else() -> None:
    linked = Counter(
        link.candidate for wat in world().wats for page in wat.pages() for link in page.links if not link.drop
    )
    assert set(linked) == set(range(SMALL))
    assert max(linked.values()) > 1  # some stand twice


def test_all_texts_of_a_url_stand_in_one_wave() -> None:
    made = world()
    waves: dict[str, set[int]] = {}
    for index, wat in enumerate(made.wats):
        for page in wat.pages():
            for link in page.links:
                if not link.drop:
                    url = made.candidates[link.candidate].url
                    waves.setdefault(url, set()).add(index // made.rules.wave_size)
    assert all(len(found) == 1 for found in waves.values())


def test_what_needs_all_retry_rounds_stands_in_the_first_wave() -> None:
    made = world()
    first = {
        link.candidate
        for wat in made.wats[: made.rules.wave_size]
        for page in wat.pages()
        for link in page.links
    }
    early = {number for number, one in enumerate(made.candidates) if one.early}
    assert early
    assert early <= first


def test_resources_that_heal_do_so_within_the_tries_of_a_row() -> None:
    healing = [one for one in world().resources if one.failures > 0]
    assert healing
    assert all(one.failures < world().rules.tries for one in healing)


def test_redrawing_one_group_changes_nothing_else() -> None:
    before = world()
    group = next(one.caption_group for one in before.candidates if one.kind == "png")
    after = build_world(
        seed=1, candidates=SMALL, rules=rules(), painter=FakePainter(), redraws=Redraws(scenes={group: 1})
    )
    changed = [
        (one, other) for one, other in zip(before.candidates, after.candidates, strict=True) if one != other
    ]
    assert len(changed) == 1
    assert changed[0][0].caption_group == group
    assert after.resources == before.resources


def test_a_world_that_cannot_hold_every_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least"):
        world(least_candidates() - 1)
    with pytest.raises(ConfigurationError, match="wats"):
        build_world(candidates=SMALL, rules=rules(), painter=FakePainter(), wats=0)


def test_a_world_in_one_wat_has_all_candidates() -> None:
    made = build_world(candidates=SMALL, rules=rules(), painter=FakePainter(), wats=1)
    links = [link for record in made.wats[0].records if isinstance(record, Page) for link in record.links]
    assert {link.candidate for link in links if link.candidate >= 0 and not link.drop} == set(range(SMALL))
