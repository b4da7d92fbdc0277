PYTHON ?= python3
BIN := .venv/bin

# The S3 server of the tests and of `make bench`: built from source where Go is there.
S3_SERVER := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/contrail/bin/versitygw

.PHONY: setup run view test lint bench soak card screenshots browser s3-server

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml pipeline/jars.xml $(wildcard pipeline/java/*)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m pipeline.jars
	$(BIN)/python -m pipeline.archive
	touch $@

run: setup
	$(BIN)/panel serve app --address 127.0.0.1 --port $${CONTRAIL_PORT:-5006} --liveness

view: setup
	$(BIN)/streamlit run streamlit_dashboard/app.py

test: setup browser s3-server
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup browser s3-server
	$(BIN)/python -m benchmarks

soak: setup
	$(BIN)/python -m benchmarks.soak

card: setup
	$(BIN)/python docs/model_card.py

screenshots: setup browser
	$(BIN)/python -m docs.screenshots

# The browser tests need a chromium; Debian's is installed where one may do so.
browser:
	@command -v chromium >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium) \
		|| echo "No chromium: install it (Debian: apt-get install chromium) to run the browser tests."

s3-server:
	@test -x $(S3_SERVER) || CGO_ENABLED=0 GOBIN=$(dir $(S3_SERVER)) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0 \
		|| echo "No S3 server: install Go 1.24 or newer (https://go.dev/dl) to run the S3 tests."
