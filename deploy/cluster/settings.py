"""What is to be known of a cluster, out of the environment."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.errors import MissingToolError
from deploy.local.helm import fetch_helm

STANDIN_VALUES: Final = Path(__file__).with_name("standin.yaml")
_KUBECTL: Final = "install kubectl 1.30 or newer, or set KUBECTL"
_KUBECONFIG: Final = "set KUBECONFIG to the file that a cluster is reached by"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """A cluster and the programs that speak to it."""

    kubeconfig: Path
    kubectl: Path
    helm: Path
    loader: tuple[str, ...]  # empty where images come from a registry
    values: tuple[Path, ...]  # on top of the demo's

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> ClusterSettings:
        """Returns the settings of an environment; raises MissingToolError for what is not there."""
        kubeconfig = Path(env.get("KUBECONFIG", ""))
        if not kubeconfig.is_file():
            raise MissingToolError("a Kubernetes cluster is needed", _KUBECONFIG)
        kubectl = env.get("KUBECTL") or shutil.which("kubectl")
        if kubectl is None:
            raise MissingToolError("kubectl is needed for a cluster", _KUBECTL)
        listed = [Path(name.strip()) for name in env.get("CLUSTER_VALUES", "").split(",") if name.strip()]
        helm = env.get("HELM")
        return cls(
            kubeconfig=kubeconfig,
            kubectl=Path(kubectl),
            helm=Path(helm) if helm else fetch_helm(),
            loader=tuple(shlex.split(env.get("IMAGE_LOADER", ""))),
            values=tuple(listed) or (STANDIN_VALUES,),
        )
