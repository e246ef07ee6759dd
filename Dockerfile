# One image for the coordinator and for departments; the compose.yaml of each kit starts it (docs/deploy.md).
#
#     docker build -t lepton-fed .
#
# Versions are those of constraints.txt, which the tests have seen. Torch for machines with an NVIDIA GPU is most of the
# image; without one, give the index of CPU builds that pytorch.org names:
#
#     docker build -t lepton-fed --build-arg PIP_EXTRA_INDEX_URL=... .

ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY constraints.txt pyproject.toml setup.py README.md LICENSE ./
COPY lepton_fed lepton_fed
COPY clients clients
COPY server server
COPY configs configs
ARG PIP_EXTRA_INDEX_URL=""
# Extras of pyproject.toml, with commas: `postgres` for departments whose rows lie there, `examples` for a first try.
ARG EXTRAS="postgres"
RUN python -m venv /opt/lepton-fed
RUN /opt/lepton-fed/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
# By number, since a kit's folder belongs to it outside of the container.
RUN groupadd --gid 10001 lepton-fed \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin lepton-fed
COPY --from=build /opt/lepton-fed /opt/lepton-fed
# Nothing but /tmp and a kit's state can be written to: no bytecode, and no folder of settings.
ENV PATH=/opt/lepton-fed/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp \
    FLWR_TELEMETRY_ENABLED=0
USER 10001:10001
ENTRYPOINT ["lepton-fed"]
CMD ["--help"]
