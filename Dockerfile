# Hoopoe on the CPU. For an NVIDIA GPU: --build-arg TORCH_INDEX=https://pypi.org/simple, and `docker run --gpus all`.
# For a Ray cluster of such containers: --build-arg EXTRAS=heic,ray.
FROM python:3.12-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=heic
WORKDIR /src
COPY pyproject.toml setup.cfg setup.py README.md LICENSE ./
COPY backbones backbones
COPY configs configs
COPY detector detector
RUN python -m venv /opt/hoopoe \
    && /opt/hoopoe/bin/pip install --no-cache-dir "torch>=2.10" "torchvision>=0.25" --index-url "$TORCH_INDEX" \
    && /opt/hoopoe/bin/pip install --no-cache-dir ".[$EXTRAS]"

FROM python:3.12-slim
LABEL org.opencontainers.image.title="Hoopoe" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/hoopoe /opt/hoopoe
# weights go where a volume can keep them; matplotlib wants a folder that it may write to
ENV PATH=/opt/hoopoe/bin:$PATH HF_HOME=/models/huggingface TORCH_HOME=/models/torch MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --uid 1000 --create-home hoopoe && install -d -o hoopoe -g hoopoe /models /out
USER 1000:1000
WORKDIR /out
VOLUME /models
# SIGTERM, as `docker stop` sends, ends after the current batch; the same command goes on from there
STOPSIGNAL SIGTERM
ENTRYPOINT ["hoopoe"]
CMD ["--help"]
