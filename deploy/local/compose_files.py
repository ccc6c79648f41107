"""What `deploy/compose.yaml` mounts: keys, certificates, tokens and the tiny bundle."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import Final

import trustme

from deploy.local.secret_files import draw_tokens, write_secret
from pairmill_models.tiny import bundle_path

FOLDER: Final = Path("out/compose")
TINY: Final = "tiny"
_GATEWAY_NAMES: Final = ("gateway", "explorer", "localhost", "127.0.0.1")


def write_compose_files(folder: Path) -> bool:
    """Writes all into a folder; returns False, and leaves it as it is, where it was written before.

    Containers read the files as users that this machine does not know, so that the folder, not the files,
    keeps others out.
    """
    final = folder / "secrets"
    _write_bundle(folder / "bundles" / TINY)
    if final.exists():
        return False
    unfinished = folder / ".secrets.part"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    _write_secrets(unfinished)
    for path in unfinished.iterdir():
        path.chmod(0o444)
    unfinished.rename(final)
    return True


def _write_secrets(folder: Path) -> None:
    access_key, secret_key = f"compose{secrets.token_hex(6)}", secrets.token_urlsafe(24)
    write_secret(folder / "s3.access-key", access_key)
    write_secret(folder / "s3.secret-key", secret_key)
    write_secret(folder / "s3.json", json.dumps({"access_key": access_key, "secret_key": secret_key}))
    write_secret(folder / "grafana.password", secrets.token_urlsafe(18))
    draw_tokens(folder)
    authority = trustme.CA(organization_name="pairmill")
    gateway = authority.issue_cert(*_GATEWAY_NAMES)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    gateway.private_key_pem.write_to_path(str(folder / "gateway.key"))
    for part in gateway.cert_chain_pems:
        part.write_to_path(str(folder / "gateway.pem"), append=True)


def _write_bundle(folder: Path) -> None:
    if not folder.exists():
        unfinished = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(bundle_path(), unfinished)
        unfinished.rename(folder)
