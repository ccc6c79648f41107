"""Prints what an image holds, as CycloneDX 1.6 JSON: Python's distributions, and the packages of its base.

python sbom.py SERVICE DPKG_STATUS

Run by the interpreter of the image. The same content gives the same bytes: no times, no random numbers.
"""

import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from urllib.parse import quote

OURS = "pairmill"
PURL_SAFE = ".-_~"


def bill(service: str, version: str, components: Sequence[dict[str, object]]) -> dict[str, object]:
    """Returns the document of an image with these components."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": f"pairmill-{service}@{version}",
                "name": f"pairmill-{service}",
                "version": version,
            }
        },
        "components": sorted(components, key=lambda component: str(component["bom-ref"])),
    }


def python_components(found: Iterable[Distribution]) -> Iterator[dict[str, object]]:
    """Yields a component for each distribution, and for Python."""
    yield component(
        "application", "python", platform.python_version(), f"pkg:generic/python@{platform.python_version()}"
    )
    for each in found:
        name = re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()
        address = f"pkg:pypi/{quote(name, safe=PURL_SAFE)}@{quote(each.version, safe=PURL_SAFE)}"
        yield component("library", name, each.version, address, licence_of(each))


def licence_of(found: Distribution) -> str:
    """Returns how a distribution states its licence, an empty text where it does not in a line."""
    named = (found.metadata[name] for name in ("License-Expression", "License") if name in found.metadata)
    stated = next(named, "")
    return "" if "\n" in stated or len(stated) > 100 else stated


def debian_components(status: str) -> Iterator[dict[str, object]]:
    """Yields a component for each package that dpkg's status file calls installed."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.+)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            address = f"pkg:deb/debian/{quote(name, safe=PURL_SAFE)}@{quote(version, safe=PURL_SAFE)}"
            yield component("library", name, version, f"{address}?arch={fields['Architecture']}")


def component(kind: str, name: str, version: str, address: str, licence: str = "") -> dict[str, object]:
    """Returns a component with its package address as reference."""
    found: dict[str, object] = {
        "type": kind, "bom-ref": address, "name": name, "version": version, "purl": address,
    }  # fmt: skip
    if licence:
        found["licenses"] = [{"license": {"name": licence}}]
    return found


def main(service: str, status: Path) -> int:
    """Prints the document."""
    libraries = list(python_components(distributions()))
    packages = list(debian_components(status.read_text()))
    own = next(str(each["version"]) for each in libraries if each["name"] == OURS)
    json.dump(bill(service, own, [*libraries, *packages]), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
