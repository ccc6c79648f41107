#!/bin/sh
# tritonserver as it is called in the official image, with what the one of the wheel has to be told besides.
set -eu
packages="$(echo /opt/triton/lib/python3*/site-packages)"
library="$(/opt/triton/bin/python -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')"
export PATH="/opt/triton/bin:/usr/bin:/bin" PYTHONPATH="" PYTHONDONTWRITEBYTECODE=1
export LD_LIBRARY_PATH="${library}:${packages}/nvidia_pytriton.libs"
exec "${packages}/pytriton/tritonserver/bin/tritonserver" --backend-directory=/opt/triton/backends \
  --allow-gpu-metrics=false "$@"
