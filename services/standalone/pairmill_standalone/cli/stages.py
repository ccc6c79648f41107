"""`pairmill extract`, `embed` and `score`: the cores of single stages, without a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import profile as profile_named
from pairmill.jobspec.settings import apply_settings, parse_assignments
from pairmill_protos.job.v1.job_pb2 import CrawlRules
from pairmill_standalone.cli.count_view import count_view
from pairmill_standalone.cli.exits import answer, complain, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import BundleOption, Json, Settings, bundle_or_tiny
from pairmill_standalone.cli.tables import print_counts


def extract(
    wats: Annotated[list[str], typer.Argument(metavar="WAT", help="WAT files: paths or http(s) URLs.")],
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    profile: Annotated[str, typer.Option(help="default, laion-5b or everything.")] = "default",
    settings: Settings = None,
    crawl: Annotated[str, typer.Option(help="Name of the crawl, for provenance.")] = "",
    workers: Annotated[int | None, typer.Option(min=1, help="WATs read at once; one per core.")] = None,
    as_json: Json = False,
) -> None:
    """Write the image links of WATs, with text, language and provenance, to one table.

    What is left out is counted by reason. Calling it again goes on after an interruption. Exits 1 where
    a WAT was not there or ends early.

    Example: pairmill extract CC-MAIN-00000.warc.wat.gz --out links.parquet
    """
    from pairmill_crawler.extract import ExtractProgress, extract_wats
    from pairmill_standalone.jobs import collect_wats
    from pairmill_standalone.run import check_inputs

    with errors_as_exits():
        rules = crawl_rules(profile, parse_assignments(settings or ()))
        listing = collect_wats(wats, ())
        if listing.problems:
            raise ConfigurationError("\n".join(f"WAT: {problem}" for problem in listing.problems))
        check_inputs(listing.wats)
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        with count_view("extracting") as show:

            def progress(now: ExtractProgress) -> None:
                show(now.wats_done, now.wats, f"{now.candidates:,} links, {now.left_out:,} left out")

            summary = extract_wats(listing.wats, rules, out, progress, crawl=crawl, workers=workers)
        if as_json:
            say_json(
                {
                    "out": str(out),
                    "wats": summary.wats,
                    "rows_in": summary.rows_in,
                    "candidates": summary.candidates,
                    "left_out": dict(summary.left_out),
                    "incomplete": dict(summary.incomplete),
                }
            )
        else:
            print_counts(f"{summary.candidates:,} links in {out}; left out:", summary.left_out)
        for wat, reason in summary.incomplete.items():
            complain(f"{wat}: {reason}")
        answer(not summary.incomplete)


def embed(
    shards: Annotated[list[Path], typer.Argument(metavar="SHARD", help="WebDataset tars.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the embeddings.")],
    bundle: BundleOption = None,
    threads: Annotated[int, typer.Option(min=1, help="Cores that the model uses.")] = 1,
    as_json: Json = False,
) -> None:
    """Embed images and texts of WebDataset shards, in the layout of clip-retrieval.

    Calling it again goes on with the shards that are missing. Exits 1 where a shard is broken.

    Example: pairmill embed shards/*.tar --bundle models/vit-b-32 --out embeddings
    """
    from pairmill_inference.config import InferenceConfig
    from pairmill_inference.embed import EmbedSummary, embed_shards
    from pairmill_inference.handler import EmbedHandler
    from pairmill_inference.parts import embed_parts
    from pairmill_models.bundle import load_bundle

    with errors_as_exits():
        folder = bundle_or_tiny(bundle)
        parts = embed_parts(InferenceConfig(bundle=folder, model_threads=threads), load_bundle(folder))
        handler = EmbedHandler(parts)  # whose end is that of the parts' child processes
        try:
            parts.check_model()
            with count_view("embedding") as show:

                def progress(now: EmbedSummary) -> None:
                    show(now.shards_done, now.shards, f"{now.rows:,} samples, {now.embedded:,} embedded")

                summary = embed_shards(shards, parts, out, progress)
        finally:
            handler.close()
        facts = {
            "out": str(out),
            "shards": summary.shards,
            "rows": summary.rows,
            "embedded": summary.embedded,
            "failed": dict(summary.failed),
            "broken": summary.broken,
        }
        if as_json:
            say_json(facts)
        else:
            say(f"{summary.embedded:,} pairs of {summary.shards:,} shards in {out}")
            if summary.failed:
                print_counts("not embedded:", summary.failed)
        for shard, why in summary.broken.items():
            complain(f"{shard}: {why}")
        answer(not summary.broken)


def score(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Dataset, or folder with embeddings.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Parquet file; DIR/scores.parquet if not given.")
    ] = None,
    bundle: BundleOption = None,
    as_json: Json = False,
) -> None:
    """Score stored embeddings: similarity of image and text, and the heads of the bundle.

    Needs neither images nor the model's towers.

    Example: pairmill score embeddings --bundle models/vit-b-32 --out scores.parquet
    """
    from pairmill_models.bundle import load_bundle
    from pairmill_scorer.config import ScorerConfig
    from pairmill_scorer.parts import score_parts
    from pairmill_scorer.score import score_folder

    with errors_as_exits():
        chosen = bundle_or_tiny(bundle)
        parts = score_parts(ScorerConfig(bundle=chosen), load_bundle(chosen))
        parts.check_heads()
        target = out or folder / "scores.parquet"
        with count_view("scoring") as show:
            rows = score_folder(folder, parts, target, lambda done, total: show(done, total, ""))
        if as_json:
            say_json({"out": str(target), "rows": rows})
        else:
            say(f"{rows:,} scores in {target}")


def crawl_rules(profile: str, settings: dict[str, str]) -> CrawlRules:
    """Returns a profile's rules of extraction with single ones changed."""
    wrong = [name for name in settings if not name.startswith(("crawl_rules.", "crawl."))]
    if wrong:
        raise ConfigurationError(
            "\n".join(f"--set {name}: an extraction has only crawl_rules.*" for name in wrong)
        )
    spec = profile_named(profile)
    apply_settings(spec, settings)
    return spec.crawl_rules
