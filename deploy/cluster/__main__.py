"""`python -m deploy.cluster`: brings the images that the demo names to the cluster of KUBECONFIG."""

from __future__ import annotations

import os
import sys

from deploy.cluster.images import images_of, is_built, load_images
from deploy.cluster.kubectl import ClusterError, Namespace
from deploy.cluster.release import DEMO_VALUES, Release
from deploy.cluster.settings import ClusterSettings
from deploy.cluster.standins import STANDINS
from deploy.local.errors import ComponentError


def main() -> int:
    """Returns 0 once the images are there, 2 where something is missing."""
    try:
        settings = ClusterSettings.from_env(os.environ)
        namespace = Namespace(settings=settings, name="default")
        release = Release(namespace=namespace, name="pairmill", values=(DEMO_VALUES, *settings.values))
        images = images_of(release.render())
        missing = [image for image in images if not is_built(image)]
        if missing:
            raise ComponentError(f"not built yet: {', '.join(missing)}; make images images-standin")
        others = [standin.image for standin in STANDINS if standin.image not in images]
        load_images(settings, [*images, *filter(is_built, others)], lambda text: print(text, file=sys.stderr))
    except (ComponentError, ClusterError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
