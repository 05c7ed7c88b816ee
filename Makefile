# SPDX-License-Identifier: Apache-2.0
#
# Every target works alone on a machine with git, make and Python 3.10 to 3.13 (with its venv module): it makes
# the environment it needs on first use. `make help` lists them.
#
#   PYTHON=python3.12   the interpreter for a new environment (default: the first usable python3)
#   ARGS="-k name -x"   further arguments for pytest; a part of the suite is not measured for coverage
#   SEED=7              `make chaos` breaks things in this order (default: a new one each time, printed)
#   EXECUTIONS=200      how many `make chaos` starts
#   EXECUTOR=celery     `make chaos` runs them on the CeleryExecutor (default: local, the LocalExecutor)
#   PARTS=waiting,calls what `make bench` measures (default: all parts)
#   RELEASES="3.1.8 3.4" what `make test-releases` tests, commas do as well (default: all that it knows, and
#                       `oldest`, the lowest version of everything)
#   PROJECT= LOCATION=  where `make verify-google` asks; or CONNECTION=, an Airflow connection; SERVICE_ACCOUNT=, CROWD=,
#                       BURST=, ENDPOINT= and OUTPUT= are explained in docs/google.md
#   PICTURES=1          `make test-browser` writes its pictures to docs/images/ (default: to pytest's temporary folder)
#   UI=1                `make demo` leaves Airflow and its web UI running until Ctrl-C

SHELL := /bin/bash
.DEFAULT_GOAL := help
export PYTHON

V3 := .venv-airflow3
V2 := .venv-airflow2
VRELEASE := .venv-release
# An editable installation keeps the version that it was made with.
VERSION := airflow_provider_workflows/__init__.py
VBENCH := .venv-bench
VCELERY := .venv-celery
VDOCS := .venv-docs
VBROWSER := .venv-browser
# One stamp for each wish for a Python, so that asking for another one remakes the environment.
STAMP := .stamp$(if $(PYTHON),-$(notdir $(PYTHON)))
COVERAGE_MINIMUM := 95
# A process for each core, whole files each; what needs a cluster comes last.
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
# What pyproject.toml names: in constraints/oldest.txt at its lowest, and the rest as Airflow 2.11.0 pins it.
DIRECT := aiohttp|google-api-core|google-api-python-client|google-auth|requests|tenacity

.PHONY: help demo chaos bench clients verify-google test test-airflow2 test-browser test-releases lint format docs wheel release-check constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(V3)/$(STAMP): constraints/airflow3.txt constraints/airflow3.in pyproject.toml $(VERSION) scripts/environment.sh
	@scripts/environment.sh $(V3) constraints/airflow3.txt 3.13 -r constraints/airflow3.in -e '.[dev]'
	@touch $@

$(V2)/$(STAMP): constraints/airflow2.txt constraints/airflow2.in pyproject.toml $(VERSION) scripts/environment.sh
	@scripts/environment.sh $(V2) constraints/airflow2.txt 3.12 -r constraints/airflow2.in -e '.[dev]'
	@touch $@

# The Google provider, with which it compares, needs Python 3.11.
$(VBENCH)/$(STAMP): constraints/bench.txt constraints/bench.in pyproject.toml scripts/environment.sh
	@scripts/environment.sh $(VBENCH) constraints/bench.txt 3.13 -r constraints/bench.in -e .
	@touch $@

$(VCELERY)/$(STAMP): constraints/celery.txt constraints/celery.in pyproject.toml scripts/environment.sh
	@scripts/environment.sh $(VCELERY) constraints/celery.txt 3.13 -r constraints/celery.in -e .
	@touch $@

$(VDOCS)/$(STAMP): constraints/docs.txt constraints/docs.in scripts/environment.sh
	@scripts/environment.sh $(VDOCS) constraints/docs.txt 3.13 -r constraints/docs.in
	@touch $@

$(VRELEASE)/$(STAMP): constraints/release.txt constraints/release.in scripts/environment.sh
	@scripts/environment.sh $(VRELEASE) constraints/release.txt 3.13 -r constraints/release.in
	@touch $@

$(VBROWSER)/$(STAMP): constraints/browser.txt constraints/browser.in scripts/environment.sh
	@scripts/environment.sh $(VBROWSER) constraints/browser.txt 3.13 -r constraints/browser.in
	@touch $@

demo: $(V3)/$(STAMP) ## run the example DAGs on a real Airflow 3 against a local Executions API (UI=1: leave it up)
	@$(V3)/bin/python scripts/demo.py $(if $(filter-out 0 no,$(UI)),--ui)

VCHAOS := $(if $(filter celery,$(EXECUTOR)),$(VCELERY),$(V3))
chaos: $(VCHAOS)/$(STAMP) ## break processes, network, clocks and tasks at random while executions run; count what gets lost
	@$(VCHAOS)/bin/python scripts/chaos.py $(if $(SEED),--seed $(SEED)) $(if $(EXECUTIONS),--executions $(EXECUTIONS)) \
	    $(if $(EXECUTOR),--executor $(EXECUTOR))

bench: $(VBENCH)/$(STAMP) ## measure waiting, importing and calling beside other ways (PARTS=...); writes docs/benchmarks.md
	@PYTHONPATH=scripts:benchmarks:. $(VBENCH)/bin/python benchmarks/bench.py $(if $(PARTS),--parts $(PARTS))

clients: $(V3)/$(STAMP) ## ask the emulator with each client on this machine (gcloud, Node, Go, Python); writes docs/clients.md
	@command -v npm >/dev/null && npm install --prefix tests/contract/clients --no-package-lock --no-audit --no-fund \
	    || echo "without npm's googleapis"
	@$(V3)/bin/python -m tests.contract.clients_table
	$(V3)/bin/python -m pytest -q tests/contract/test_clients_table.py tests/contract/test_other_clients.py

verify-google: $(V3)/$(STAMP) ## ask Google's service what the package relies on (PROJECT=... LOCATION=...); writes docs/verified.md
	@PYTHONPATH=scripts:. $(V3)/bin/python scripts/verify_google.py $(if $(PROJECT),--project "$(PROJECT)") \
	    $(if $(LOCATION),--location "$(LOCATION)") $(if $(CONNECTION),--connection "$(CONNECTION)") \
	    $(if $(SERVICE_ACCOUNT),--service-account "$(SERVICE_ACCOUNT)") $(if $(CROWD),--crowd $(CROWD)) \
	    $(if $(BURST),--burst $(BURST)) $(if $(ENDPOINT),--endpoint "$(ENDPOINT)") $(if $(OUTPUT),--output "$(OUTPUT)")

# coverage runs pytest, not the other way round: our own pytest plugin is imported before pytest-cov could start.
test: $(V3)/$(STAMP) ## run the tests on Airflow 3, with coverage
ifeq ($(strip $(ARGS)),)
	$(V3)/bin/python -m coverage erase
	$(V3)/bin/python -m coverage run -m pytest $(IN_PARALLEL)
	$(V3)/bin/python -m coverage combine --quiet
	$(V3)/bin/python -m coverage report --fail-under=$(COVERAGE_MINIMUM)
else
	$(V3)/bin/python -m pytest $(ARGS)
endif

test-airflow2: $(V2)/$(STAMP) ## run the tests on Airflow 2.11
	$(V2)/bin/python -m pytest $(or $(ARGS),$(IN_PARALLEL))

# The browser's environment has no Airflow: it drives servers that the environments of the two Airflows run.
test-browser: $(V3)/$(STAMP) $(V2)/$(STAMP) $(VBROWSER)/$(STAMP) ## use the web UIs of Airflow 3 and 2.11 in Chromium (PICTURES=1: write docs/images/)
	@$(VBROWSER)/bin/python scripts/chromium.py
	@PICTURES="$(PICTURES)" $(VBROWSER)/bin/python -m pytest -W ignore::pytest.PytestConfigWarning tests/browser $(ARGS)

comma := ,
test-releases: $(V3)/$(STAMP) ## test on each Airflow release with what it pins (RELEASES=...); writes docs/releases.md
	@$(V3)/bin/python scripts/test_releases.py --uv $(V3)/bin/uv --arguments "$(ARGS)" --in-parallel="$(IN_PARALLEL)" $(subst $(comma), ,$(RELEASES))

lint: $(V3)/$(STAMP) ## check style (ruff) and types (mypy, strict)
	$(V3)/bin/ruff check .
	$(V3)/bin/ruff format --check .
	$(V3)/bin/mypy

format: $(V3)/$(STAMP) ## format the code and apply ruff's safe fixes
	$(V3)/bin/ruff check --fix --exit-zero --quiet .
	$(V3)/bin/ruff format .

# Always all of it: a page that is not read again keeps its warnings to itself.
docs: $(VDOCS)/$(STAMP) ## build the documents into build/site/, a site that needs no network; warnings are errors
	rm -rf build/site
	$(VDOCS)/bin/python -m sphinx --builder html --fail-on-warning --quiet --fresh-env \
	    --doctree-dir build/doctrees --conf-dir docs . build/site
	@echo "The site begins at build/site/index.html"

wheel: $(V3)/$(STAMP) ## build the wheel into dist/
	rm -rf dist
	$(V3)/bin/python -m build --wheel --no-isolation

# 3: nothing failed, and what could not be done here is in the account that it prints.
release-check: $(VRELEASE)/$(STAMP) ## build sdist and wheel, install and use them on each Python and both ends of Airflow
	@$(VRELEASE)/bin/python scripts/release_check.py --tools $(VRELEASE) || [ $$? -eq 3 ]

constraints: $(V3)/$(STAMP) ## resolve the newest versions into constraints/*.txt, the lowest into oldest.txt
	for airflow in airflow3 airflow2; do \
	    $(V3)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate --no-header \
	        --extra dev pyproject.toml constraints/$$airflow.in --output-file constraints/$$airflow.txt || exit 1; \
	done
	$(V3)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --no-header \
	    pyproject.toml constraints/bench.in --output-file constraints/bench.txt
	$(V3)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate --no-header \
	    pyproject.toml constraints/celery.in --output-file constraints/celery.txt
	$(V3)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate --no-header \
	    constraints/docs.in --output-file constraints/docs.txt
	$(V3)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate --no-header \
	    constraints/release.in --output-file constraints/release.txt
	$(V3)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-annotate --no-header \
	    constraints/browser.in --output-file constraints/browser.txt
	$(V3)/bin/uv pip compile --quiet --upgrade --resolution lowest-direct --python-version 3.10 --no-annotate \
	    --no-header --constraint <(grep -vE '^($(DIRECT))==' constraints/releases/2.11.0.txt) \
	    pyproject.toml --output-file constraints/oldest.txt

clean: ## remove the environments and everything that was built
	rm -rf $(V3) $(V2) $(VRELEASE) .venv-check-* $(VBENCH) $(VCELERY) $(VBROWSER) $(VDOCS) .venv-releases build dist .coverage* .mypy_cache .pytest_cache .ruff_cache \
	    tests/contract/clients/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
