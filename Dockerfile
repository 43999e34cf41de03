# The suite in a container: docker run --rm -v "$PWD:/work" fulfillment-conformance run --target publisher.yaml --output reports
# The emulator: docker run --rm -p 8080:8080 -e KEY=... fulfillment-conformance emulate --host 0.0.0.0 --control-key-env KEY
FROM python:3.13-slim AS built
COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY src /source/src
COPY openapi /source/openapi
COPY catalogue /source/catalogue
COPY suites /source/suites
RUN python -m venv /opt/fulfillment-conformance \
    && /opt/fulfillment-conformance/bin/pip install --no-cache-dir --quiet -c /source/constraints.txt /source

FROM python:3.13-slim
RUN useradd --create-home --uid 10001 conformance && mkdir /work && chown conformance /work
COPY --from=built /opt/fulfillment-conformance /opt/fulfillment-conformance
ENV PATH=/opt/fulfillment-conformance/bin:$PATH PYTHONUNBUFFERED=1
USER conformance
WORKDIR /work
EXPOSE 8080
# What it says counts for `emulate` alone: a run ends by itself, and its exit code tells.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/', timeout=2)"]
ENTRYPOINT ["fulfillment-conformance"]
CMD ["--help"]
