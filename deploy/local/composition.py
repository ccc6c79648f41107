"""Whether Docker's own reader of compositions takes a file, without Docker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import require, run

VERSION: Final = "2.16.2"
_MODULE: Final = "github.com/compose-spec/compose-go/v2"
_GO: Final = "install Go 1.24 or newer, on Debian: apt-get install golang"
_SOURCE: Final = f"""package main

import (
	"context"
	"fmt"
	"os"

	"{_MODULE}/cli"
)

// Reads the composition named first with the profiles named after it, and prints it resolved.
func main() {{
	options, err := cli.NewProjectOptions(os.Args[1:2], cli.WithProfiles(os.Args[2:]))
	if err == nil {{
		project, loadErr := options.LoadProject(context.Background())
		if err = loadErr; err == nil {{
			text, _ := project.MarshalYAML()
			fmt.Println(string(text))
			return
		}}
	}}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}}
"""


def fetch_reader(cache: Cache | None = None) -> Path:
    """Returns a program around the reader, built by Go where it is not there."""
    return (cache or Cache.of_user()).provide(f"compose-reader-{VERSION}", _build) / "reader"


def resolve(file: Path, profiles: Sequence[str], reader: Path) -> str:
    """Returns the composition with all references resolved; raises FetchError with what is wrong."""
    return run([reader, file, *profiles])


def _build(folder: Path) -> None:
    go = require("go", used_for="reading compositions", remedy=_GO)
    source = folder / "source"
    source.mkdir()
    (source / "go.mod").write_text("module local\n")
    (source / "main.go").write_text(_SOURCE)
    run([go, "get", f"{_MODULE}@v{VERSION}"], cwd=source)
    flags = {"GOFLAGS": "-buildvcs=false -mod=mod"}
    run([go, "build", "-o", folder / "reader", "."], cwd=source, env=flags)
