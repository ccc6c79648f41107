"""A Kubernetes cluster, whichever it is: images are brought to it, and the chart is installed on it.

Settings are variables of the environment:

    KUBECONFIG      the cluster; nothing of this package runs without one
    IMAGE_LOADER    a command that brings an archive of `docker save` to the cluster, its path appended:
                    `kind load image-archive`, `minikube image load`; unset where images come from a registry
    CLUSTER_VALUES  values files, commas between, on top of the demo's; unset: standin.yaml beside this file
    CLUSTER_TRITON  values of a demo with Triton, for the test of that: triton-cpu.yaml beside this file
    KUBECTL, HELM   where the programs are, if not in PATH (Helm is fetched where there is none)
"""
