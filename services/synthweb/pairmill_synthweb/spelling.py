"""Spellings of a URL that all mean the same to the URL standard."""

from __future__ import annotations

from random import Random
from urllib.parse import unquote

PLAIN_SHARE = 0.75


def spelled_url(host: str, target: str, rng: Random, *, page_host: str, base_host: str) -> str:
    """Returns a spelling of `http://host/target` as a link of a page.

    `page_host` is the page's host, `base_host` the host of its `<base href>` (`http://host/deep/er/`)
    or empty without one: relative spellings are made only where they resolve to the same URL.
    """
    url = f"http://{host}{target}"
    if rng.random() < PLAIN_SHARE:
        return url
    ways = [
        f"HTTP://{host.upper()}{target}",
        f"http://{host}:80{target}",
        f"{url}#top",
        f"http://{host}/over/..{target}",
        f"http://{host}/./{target[1:]}",
        f" \n{url}\t",
        url.replace("/img", "/i\tmg", 1),
        f"http:\\\\{host}{target}",
        f"//{host}{target}",
    ]
    if "%" in target:
        ways.append(f"http://{host}{unquote(target)}")
    if base_host:
        ways.extend([f"../..{target}"] * 4 if base_host == host else [])
    elif page_host == host:
        ways.extend([target, f"..{target}"] * 4)
    return rng.choice(ways)
