# One image, role by command: `python -m api`, `python -m workers all`, `python -m windlass.core.bootstrap`,
# or `python -m stack up` for the whole system in one container.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS built
WORKDIR /app
# A proxy that opens https has certificates of its own: put them into ./certificates (*.crt), or leave that away.
COPY stack/install.sh certificate[s] /setup/
COPY stack/locks stack/locks
ENV SSL_CERT_DIR=/etc/ssl/certs SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt UV_LINK_MODE=copy PIP_NO_CACHE_DIR=1
RUN for each in /setup/*.crt; do [ ! -f "$each" ] || cp "$each" /usr/local/share/ca-certificates/; done \
 && update-ca-certificates >/dev/null \
 && sh /setup/install.sh .venv \
 && .venv/bin/python -m uv pip install --quiet --python .venv/bin/python --require-hashes --compile-bytecode -r stack/locks/platform.txt
COPY pyproject.toml README.md LICENSE ./
COPY windlass windlass
COPY workflows workflows
COPY activities activities
COPY workers workers
COPY api api
COPY stack stack
COPY examples examples
RUN .venv/bin/python -m compileall -q windlass workflows activities workers api stack \
 && .venv/bin/python -m stack.environment \
 && ln -s ../base-env/bin/windlass .venv/bin/windlass

FROM ${BASE}
COPY --from=built /etc/ssl/certs /etc/ssl/certs
# The fence of commands in sessions; where the container may not make namespaces it says so, and nothing runs.
RUN command -v bwrap >/dev/null \
 || { apt-get update -qq && apt-get install -qq --no-install-recommends bubblewrap >/dev/null && rm -rf /var/lib/apt/lists/*; }
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/windlass --create-home --shell /usr/sbin/nologin windlass \
 && mkdir /var/lib/windlass/home && chown windlass:windlass /var/lib/windlass/home
COPY --from=built /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WINDLASS_HOME=/var/lib/windlass/home \
    WINDLASS_HOST_PYTHON=/app/.venv/base-env/bin/python
USER windlass
VOLUME /var/lib/windlass/home
EXPOSE 8700
CMD ["python", "-m", "stack", "up"]
