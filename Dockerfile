# One image for every process: `soulfra api`, `soulfra worker …`, `soulfra topics apply`.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY locks/run.in locks/run.txt locks/
RUN pip install --require-hashes --only-binary=:all: -r locks/run.txt
COPY pyproject.toml README.md ./
COPY schemas schemas
COPY soulfra soulfra
COPY config config
COPY topics topics
COPY streams streams
COPY api api
COPY cli cli
# Without the compiled parts everything works, many times as slowly: an image without them is none.
RUN pip install --no-deps --no-build-isolation --editable . && python -m compileall -q . \
 && python -c "import soulfra._quick, streams.engine._quick"

FROM python:3.11.14-slim-bookworm
RUN groupadd --gid 10001 soulfra \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/soulfra --shell /usr/sbin/nologin soulfra \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/soulfra
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
EXPOSE 8080 9101 9102 9103 9104
CMD ["soulfra", "--help"]
