# The image of this package: `ohlcv`, its HTTP service, and Dagster's webserver, daemon and code server
# (docker-compose.yml).
# Nothing secret goes in: settings and tokens come from the environment when a container starts.

FROM node:22-bookworm-slim AS pages
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --silent
COPY web ./
RUN npm run --silent build

FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/ohlcv
ENV PATH=/opt/ohlcv/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml constraints.txt ./
# Dependencies make a layer of their own, which changes of the code leave as it is.
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > requirements.txt \
    && pip install --quiet -c constraints.txt hatchling -r requirements.txt
COPY README.md ./
COPY ohlcv_assets ./ohlcv_assets
COPY --from=pages /src/ohlcv_assets/web ./ohlcv_assets/web
RUN pip install --quiet --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --uid 1000 --create-home ohlcv && mkdir /data && chown ohlcv:ohlcv /data
COPY --from=build /opt/ohlcv /opt/ohlcv
COPY deploy/workspace.yaml /opt/ohlcv/workspace.yaml
# Compiled kernels are kept in the volume, where they outlive the container.
ENV PATH=/opt/ohlcv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OHLCV_DATA_DIR=/data \
    DAGSTER_HOME=/data/dagster_home \
    NUMBA_CACHE_DIR=/data/numba
USER ohlcv
WORKDIR /home/ohlcv
CMD ["ohlcv", "--help"]
