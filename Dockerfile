# The release pipeline adds the digest of the base image, and the labels of version and revision.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

COPY requirements.lock ./
RUN python -m venv /opt/worker \
    && /opt/worker/bin/python -m pip install --no-deps --require-hashes -r requirements.lock

COPY requirements-build.lock ./
RUN python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --no-deps --require-hashes -r requirements-build.lock

COPY pyproject.toml README.md ./
COPY schemas ./schemas
COPY worker ./worker
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/worker/bin/python -m pip install --no-deps --no-index --find-links dist paywizard-worker \
    && /opt/worker/bin/python -m pip uninstall --yes pip setuptools


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="paywizard-worker" \
      org.opencontainers.image.description="Executes payment, tip, reload, points, void and card commands from Kafka against PayWizard" \
      org.opencontainers.image.vendor="PayWizard transaction worker"

COPY --from=build /opt/worker /opt/worker
ENV PATH=/opt/worker/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1

USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=6 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('HTTP_PORT', '8080')), timeout=2); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["paywizard-worker"]
CMD ["run"]
