# SPDX-License-Identifier: Apache-2.0
# One command for each thing. `make` alone lists them.
.PHONY: help venv demo test check format crds docs accuracy bench bench-gateway bench-operator bench-stream chaos lock images cluster-e2e \
	kind-e2e fuzz api-fuzz clean
BIN := .venv/bin

help: ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

venv: ## create .venv with the locked dependencies
	@scripts/venv

demo: venv ## run the main job for real, on this machine, and show what happens
	@$(BIN)/castwarden demo

test: venv ## unit, contract, integration and end-to-end tests on the embedded stack
	$(BIN)/pytest -q -n 3 --dist loadfile

check: venv ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/castwarden crds --check crds
	$(BIN)/castwarden crds --check helm/castwarden/files/crds
	$(BIN)/python -m scripts.generate_docs --check

format: venv ## format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

crds: venv ## write crds/*.yaml from the models, for the chart too
	$(BIN)/castwarden crds crds
	$(BIN)/castwarden crds helm/castwarden/files/crds

docs: venv ## write the generated parts of docs/
	$(BIN)/python -m scripts.generate_docs

accuracy: venv ## play the labelled corpus and say how right the checks are, beside FFmpeg (ARGS="--only black")
	@$(BIN)/python -m tests.accuracy $(ARGS)

bench: bench-stream bench-gateway ## print the figures, as ratios against well-known things in the same run
	$(BIN)/python -m bench.standin

bench-gateway: venv ## how soon and how cheaply events are delivered and requests answered, beside bare aiohttp (ARGS=--small)
	$(BIN)/python -m bench.gateway $(ARGS)

bench-operator: venv ## what thousands of Monitors cost the operator, on a real control plane (ARGS=--small)
	@bench/operator/run $(ARGS)

bench-stream: venv ## what watching streams costs and how soon it tells, beside ffmpeg in the same run
	$(BIN)/python -m bench.stream

chaos: venv ## deliveries while gateways are killed and PostgreSQL restarts: is anything lost (ARGS="--small --runs 3")
	@$(BIN)/python -m tests.chaos $(ARGS)

lock: venv ## resolve the dependencies anew into requirements.lock, and those of the images
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) pyproject.toml --extra dev --universal --python-version 3.11 -o requirements.lock
	$(COMPILE) pyproject.toml --extra gateway $(IMAGE) -o images/locks/gateway.txt
	$(COMPILE) pyproject.toml --extra operator $(IMAGE) -o images/locks/operator.txt
	$(COMPILE) pyproject.toml images/worker.in --extra worker --no-emit-package yt-dlp $(IMAGE) -o images/locks/worker.txt
	$(COMPILE) images/yt-dlp.in $(IMAGE) -o images/locks/yt-dlp.txt

COMPILE := $(BIN)/uv pip compile --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet
IMAGE := --constraint requirements.lock --python-version 3.13 --python-platform x86_64-unknown-linux-gnu

images: ## build the images, say how large they are, take their bills of materials into dist/ (ARGS="gateway worker")
	@images/build $(ARGS)

cluster-e2e: venv ## a release of the chart on a real node, from install to uninstall (the cluster script starts it)
	tests/cluster/run

kind-e2e: venv ## the same on kind, where docker is there
	tests/cluster/run kind

fuzz: venv ## fuzz every parser, SECONDS each (60 unless given); what is found becomes a test case
	@$(BIN)/python -m pip install --quiet "atheris>=3"
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60)

api-fuzz: venv ## schemathesis over the whole API, SECONDS long (600 unless given), with new requests each time
	CASTWARDEN_API_FUZZ_SECONDS=$(or $(SECONDS),600) $(BIN)/pytest -q tests/integration/gateway/test_api_fuzz.py

clean: ## remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
