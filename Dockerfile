# One image, role by command: `python -m api`, `python -m workers all`, `python -m windlass.core.bootstrap`,
# or `python -m stack up` for the whole system in one container.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS built
WORKDIR /app
# Certificates of a proxy that opens https, if there is one: put them into ./certificates, or leave it away.
COPY certificate[s] /usr/local/share/ca-certificates/
RUN if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then update-ca-certificates; fi
ENV SSL_CERT_DIR=/etc/ssl/certs UV_LINK_MODE=copy UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1
COPY stack/install.sh stack/
COPY stack/locks stack/locks
RUN sh stack/install.sh .venv \
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
 && .venv/bin/python -m stack.environment

FROM ${BASE}
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/windlass --create-home --shell /usr/sbin/nologin windlass \
 && mkdir /var/lib/windlass/home && chown windlass:windlass /var/lib/windlass/home
COPY --from=built /etc/ssl/certs /etc/ssl/certs
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
