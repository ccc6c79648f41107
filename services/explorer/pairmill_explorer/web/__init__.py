"""The web interface: plain files, served as they lie. `index.html` is the page, `static/` what it loads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parent / "index.html"
"""The page, to be served at `/`; all its state is in the query string and the fragment."""

STATIC: Final = Path(__file__).parent / "static"
"""The folder behind `/static/`."""
