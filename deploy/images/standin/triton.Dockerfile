# tritonserver with its Python backend out of the wheel that `python -m deploy.local fetch` brings, for clusters that
# can pull no image and have no GPU.
#   docker build -f deploy/images/standin/triton.Dockerfile -t pairmill-triton:2.51.0 CONTEXT
# CONTEXT is the folder of tritonserver in the cache, with this folder's triton.sh in it (`make images-standin`). Its
# parts are compiled for one version of Python, which BASE has to have.

ARG BASE=python:3.11.13-slim-bookworm
FROM ${BASE}
# The stub that runs models is linked against Python's library, which Debian keeps apart.
RUN python3 -c 'import ctypes, sysconfig; ctypes.CDLL(sysconfig.get_config_var("INSTSONAME"))' 2>/dev/null \
 || { apt-get update && apt-get install -y --no-install-recommends libpython3.11 && rm -rf /var/lib/apt/lists/*; }
RUN python3 -m venv --without-pip /opt/triton
COPY venv/lib/ /opt/triton/lib/
COPY backends/ /opt/triton/backends/
COPY triton.sh /usr/local/bin/tritonserver
RUN chmod 0755 /usr/local/bin/tritonserver
EXPOSE 8000 8001 8002
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/tritonserver"]
