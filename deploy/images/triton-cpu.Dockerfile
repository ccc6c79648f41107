# syntax=docker/dockerfile:1

# tritonserver for machines without a GPU: its Python backend runs the models in onnxruntime.
#   docker build -f deploy/images/triton-cpu.Dockerfile -t pairmill-triton-cpu:25.08 deploy/images

FROM nvcr.io/nvidia/tritonserver:25.08-py3
ARG ONNXRUNTIME=1.32.0
# With numpy 2 some releases of the Python backend return empty outputs without an error.
RUN pip install --no-cache-dir --disable-pip-version-check "onnxruntime==${ONNXRUNTIME}" "numpy==1.26.4"
USER 1000:1000
