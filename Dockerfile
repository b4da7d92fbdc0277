# Two images: `viewer` (the stakeholders' page; no Java, no Spark) and `app` (the operator's page with the pipeline).
# tests/test_image.py takes these very steps in a clean folder.

FROM python:3.11.14-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/data
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin contrail
RUN install --directory --owner=contrail --group=contrail /data /keys /keys/s3 /keys/operator
WORKDIR /srv/contrail

# Every package as requirements.lock has it: uv refuses a file whose checksum is another.
FROM base AS build
RUN pip install --no-cache-dir uv==0.13.9
RUN python -m venv /opt/venv
COPY pyproject.toml requirements.lock ./

FROM build AS viewer-build
RUN uv pip install --python /opt/venv --no-cache --compile-bytecode --constraint requirements.lock -r pyproject.toml --extra viewer

FROM build AS app-build
RUN uv pip install --python /opt/venv --no-cache --compile-bytecode --constraint requirements.lock -r pyproject.toml --extra engine --extra app --extra explore

FROM base AS viewer
COPY --from=viewer-build /opt/venv /opt/venv
COPY LICENSE ./
COPY deploy deploy
COPY pipeline pipeline
COPY .streamlit .streamlit
COPY streamlit_dashboard streamlit_dashboard
ENV PYTHONPATH=/srv/contrail
USER contrail
EXPOSE 8501
ENTRYPOINT ["/srv/contrail/deploy/with-keys.sh"]
CMD ["streamlit", "run", "streamlit_dashboard/app.py", "--server.address=0.0.0.0"]

FROM base AS app
RUN apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless && rm -rf /var/lib/apt/lists/*
COPY --from=app-build /opt/venv /opt/venv
COPY LICENSE ./
COPY deploy deploy
COPY pipeline pipeline
ENV PYTHONPATH=/srv/contrail CONTRAIL_CACHE=/opt/contrail CONTRAIL_DATA=/data
RUN python -m pipeline.jars spark s3 && python -m pipeline.log_stores && rm -rf /opt/contrail/jars/ivy
COPY explore explore
COPY app app
USER contrail
EXPOSE 5006
ENTRYPOINT ["/srv/contrail/deploy/with-keys.sh"]
# It listens on every address of its container, so it asks who one is: docs/decisions/sign-in-in-containers.md.
CMD ["panel", "serve", "app", "--address", "0.0.0.0", "--port", "5006", "--liveness", "--basic-auth", "/keys/operator/users.json"]
