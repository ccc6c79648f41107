"""Registrable domains: what one registrant controls, the unit of politeness, caps and buckets (U6)."""

from __future__ import annotations

from functools import cache, lru_cache

from tldextract import TLDExtract

_CACHED_HOSTS = 1 << 16


@lru_cache(maxsize=_CACHED_HOSTS)
def registrable_domain(host: str) -> str:
    """Returns the registrable domain of a host, or the host where there is none.

    `host` is a host as the URL standard serialises it: lower case, Punycode, IPv6 in brackets; one
    trailing dot is ignored. Addresses, single labels and public suffixes stand for themselves. Private
    suffixes count (`a.github.io` is one registrant's); a top-level domain that is not on the list is a
    suffix, as the list's algorithm has it. The list is the snapshot bundled with the library: nothing
    is ever fetched, so that all processes agree. Thread-safe, cached.
    """
    bare = host.removesuffix(".")
    found = _extractor().extract_str(bare)
    if found.suffix:
        domain: str = found.top_domain_under_public_suffix
        return domain or bare
    return bare if _is_address(bare) else ".".join(bare.split(".")[-2:])


@cache
def _extractor() -> TLDExtract:
    return TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)


def _is_address(host: str) -> bool:
    """In the URL standard a host is an address if it is in brackets or its last label is a number."""
    return host.startswith("[") or host.rpartition(".")[2].isdigit()
