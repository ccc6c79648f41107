"""The page: one self-contained HTML file, without scripts, that asks nothing of the network (H5)."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from typing import Final

from pairmill.dataset.explanations import describe
from pairmill.dataset.funnel import DATASET, IN, PASSED
from pairmill.dataset.manifest import FunnelRow
from pairmill.dataset.roles import ROLES, SAMPLES
from pairmill_gateway.report.charts import histogram, rate_chart, share_bar, size_map
from pairmill_gateway.report.funnel_picture import funnel_picture
from pairmill_gateway.report.gallery import dropped_galleries, gallery, lost_examples
from pairmill_gateway.report.language_names import LANGUAGE_NAMES
from pairmill_gateway.report.markup import duration, foreign, number, percent, prose, short, size, text
from pairmill_gateway.report.model import ReportFacts, Share
from pairmill_gateway.report.steps import kept_of, outcome_of, records_left_out, steps_of

_STYLE: Final = "report.css"


def render_report(facts: ReportFacts) -> str:
    """Returns the page of a dataset's facts. Pure: equal facts give equal pages."""
    style = resources.files(__package__ or "").joinpath(_STYLE).read_text(encoding="utf-8")
    sections = [section for section in _sections(facts) if section]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(style)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'
        f"<title>{text(facts.profile)} · Pairmill report</title><style>{style}</style></head>"
        f"<body><main>{_header(facts)}{''.join(sections)}{_footer(facts)}</main></body></html>\n"
    )


def policy(style: str) -> str:
    """Returns a content security policy that allows this style sheet and inlined images, nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _sections(facts: ReportFacts) -> Iterator[str]:
    counts = Counter({row.reason: row.count for row in facts.funnel if row.stage in ("crawl", "plan")})
    counts.update({row.reason or row.outcome: row.count for row in facts.funnel if row.stage == DATASET})
    yield _section("funnel", "From links to samples", _funnel(facts), _FUNNEL_NOTE)
    yield _section("kept", "Kept", gallery(facts.kept, "kept"), "A fair draw: the smallest hashes.")
    yield _section("dropped", "Dropped after download", dropped_galleries(facts.dropped, counts))
    yield _section("scores", "Scores", _histograms(facts), _SCORES_NOTE)
    yield _section("reasons", "Every reason", _reasons(facts), "What became of every row, stage by stage.")
    yield (
        f'<div class="columns"><div>{_languages(facts)}{_sizes(facts)}</div>'
        f"<div>{_domains(facts)}{_rate(facts)}</div></div>"
    )
    note = "These never had an image here; text and address are shown as they were found."
    yield _section("lost", "Left out before download", lost_examples(facts.lost, counts), note)
    yield _section("files", "Files", _files(facts))


_FUNNEL_NOTE: Final = (
    "Each bar is all that a step was given. What came through opens out to the next bar; what did not "
    "is named by its reason."
)
_SCORES_NOTE: Final = (
    "All downloaded samples keep their scores; dashed lines are this job's thresholds, which "
    "<code>pairmill refilter</code> can move without fetching anything again. Heights are on a "
    "square-root scale."
)


def _section(name: str, title: str, body: str, note: str = "") -> str:
    told = f'<p class="note">{note}</p>' if note else ""
    return f'<section id="{name}"><h2>{title}</h2>{told}{body}</section>'


def _header(facts: ReportFacts) -> str:
    state = f'<span class="state {text(facts.state)}">{text(facts.state)}</span>'
    crawl = f" · {text(facts.crawl)}" if facts.crawl else ""
    why = "".join(f"<li>{text(reason)}</li>" for reason in facts.why)
    told = f'<ul class="why-list">{why}</ul>' if why else ""
    wats = f"{number(facts.wats)} WAT file{'s' if facts.wats != 1 else ''}"
    return (
        f'<header><p class="brand">Pairmill report</p><h1>{text(facts.profile)}{crawl} {state}</h1>'
        f'<p class="sub">{wats} · model {text(facts.bundle)} · job {text(facts.job_id)}</p>{told}'
        f'<dl class="numbers">{"".join(_numbers(facts))}</dl></header>'
    )


def _numbers(facts: ReportFacts) -> Iterator[str]:
    candidates = outcome_of(facts.funnel, DATASET, IN)
    downloaded = _downloaded(facts)
    kept = kept_of(facts.funnel)
    links = steps_of(facts.funnel)[0].given if facts.funnel and steps_of(facts.funnel) else 0
    yield _number("links read", short(links), "")
    yield _number("candidates", short(candidates), f"{percent(candidates, links)} of links")
    yield _number("downloaded", short(downloaded), f"{percent(downloaded, candidates)} of candidates")
    yield _number("kept", short(kept), f"{percent(kept, candidates)} of candidates")
    whole = sum(total.bytes for total in facts.totals)
    files = sum(total.files for total in facts.totals)
    yield _number("on disk", size(whole), f"{number(files)} files")
    if facts.rate is not None:
        seconds = facts.rate.step_seconds * len(facts.rate.downloads)
        pace = f"{short(sum(facts.rate.downloads) / max(1.0, seconds))} candidates per second"
        yield _number("from first to last unit", duration(seconds), pace)


def _downloaded(facts: ReportFacts) -> int:
    """Rows of `data/`; a version on top of a base downloaded few of them itself."""
    rows = sum(total.rows for total in facts.totals if total.role == SAMPLES)
    return rows or outcome_of(facts.funnel, "download", PASSED)


def _number(name: str, value: str, note: str) -> str:
    return f"<div><dt>{name}</dt><dd>{value}</dd><dd class='of'>{note}</dd></div>"


def _funnel(facts: ReportFacts) -> str:
    records = list(records_left_out(facts.funnel))
    told = ""
    if records:
        named = ", ".join(f"{text(reason)} {number(rows)}" for reason, rows in records)
        told = f'<p class="note below">Besides, records of the archive without links: {named}.</p>'
    return funnel_picture(steps_of(facts.funnel)) + told


def _histograms(facts: ReportFacts) -> str:
    if not facts.histograms:
        return '<p class="empty">No sample was scored.</p>'
    legend = '<p class="legend"><i class="dot kept"></i>kept <i class="dot gone"></i>dropped</p>'
    return f'{legend}<div class="panels">{"".join(histogram(one) for one in facts.histograms)}</div>'


def _reasons(facts: ReportFacts) -> str:
    stages = dict.fromkeys((DATASET, *(row.stage for row in facts.funnel)))
    return "".join(_stage_table(facts.funnel, stage) for stage in stages)


def _stage_table(funnel: tuple[FunnelRow, ...], stage: str) -> str:
    """Returns what became of a stage's rows as a foldable table, the most frequent reasons first."""
    rows = [row for row in funnel if row.stage == stage and row.outcome != IN]
    given = outcome_of(funnel, stage, IN)
    rows.sort(key=lambda row: (row.outcome not in _GOOD, -row.count, row.reason))
    lines = "".join(_reason_row(row, given) for row in rows)
    name, opened = ("how candidates ended", " open") if stage == DATASET else (stage, "")
    return (
        f'<details class="reason stage"{opened}><summary><b>{text(name)}</b>'
        f'<span class="count">{number(given)} rows</span></summary>'
        '<div class="scroll"><table class="reasons"><thead><tr><th>outcome</th><th>reason</th>'
        '<th class="what">what it means</th><th class="n">rows</th><th class="n">share</th><th></th></tr>'
        f"</thead><tbody>{lines}</tbody></table></div></details>"
    )


_GOOD: Final = ("kept", PASSED)


def _reason_row(row: FunnelRow, given: int) -> str:
    width = max(0.8, 100 * row.count / max(1, given))
    bar = (
        '<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{"kept" if row.outcome in _GOOD else "gone"}" width="{width:.2f}" height="10"/></svg>'
    )
    meaning = prose(describe(row.reason).text) if row.reason else ""
    return (
        f'<tr><td>{text(row.outcome)}</td><td class="code">{text(row.reason)}</td>'
        f'<td class="what">{meaning}</td><td class="n">{number(row.count)}</td>'
        f'<td class="n">{percent(row.count, given)}</td><td class="bar-cell">{bar}</td></tr>'
    )


def _languages(facts: ReportFacts) -> str:
    names = {share.name: LANGUAGE_NAMES.get(share.name, share.name) for share in facts.languages}
    return _section("languages", "Languages", _shares(facts.languages, names))


def _domains(facts: ReportFacts) -> str:
    note = f"The largest of {number(facts.domains_counted)} registrable domains." if facts.domains else ""
    return _section("domains", "Domains", _shares(facts.domains, {}), note)


def _shares(shares: tuple[Share, ...], names: dict[str, str]) -> str:
    if not shares:
        return '<p class="empty">None.</p>'
    most = max(share.candidates for share in shares)
    rows = "".join(
        f'<tr><th scope="row">{foreign(names.get(share.name, share.name), 40)}</th>'
        f'<td class="bar-cell">{share_bar(share.kept, share.downloaded, share.candidates, most)}</td>'
        f'<td class="n">{number(share.kept)}</td><td class="n faint">{number(share.candidates)}</td></tr>'
        for share in shares
    )
    return (
        '<p class="legend"><i class="dot kept"></i>kept <i class="dot got"></i>downloaded '
        '<i class="dot all"></i>candidates</p><table class="shares"><thead><tr><th></th><th></th>'
        f'<th class="n">kept</th><th class="n">of</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _sizes(facts: ReportFacts) -> str:
    if facts.sizes is None:
        return ""
    note = "Width and height as fetched, after EXIF rotation."
    return _section("sizes", "Image sizes", size_map(facts.sizes), note)


def _rate(facts: ReportFacts) -> str:
    return _section("rate", "Rate over time", rate_chart(facts.rate)) if facts.rate is not None else ""


def _files(facts: ReportFacts) -> str:
    rows = "".join(
        f'<tr><td class="code">{text(total.role)}</td><td>{text(ROLES.get(total.role, ""))}</td>'
        f'<td class="n">{number(total.files)}</td>'
        f'<td class="n">{number(total.rows) if total.rows else ""}</td>'
        f'<td class="n">{size(total.bytes)}</td></tr>'
        for total in facts.totals
    )
    return (
        '<div class="scroll"><table><thead><tr><th>role</th><th>what it is</th><th class="n">files</th>'
        f'<th class="n">rows</th><th class="n">size</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _footer(facts: ReportFacts) -> str:
    return (
        f"<footer><p>Pairmill {text(facts.code_version)} · version {text(facts.version[:16])} · "
        "<code>pairmill audit</code> recounts everything that stands here from the data.</p></footer>"
    )
