# The words of this project. Each sets up what it needs: system packages, virtual environment, pinned requirements, the package.
.PHONY: help demo test lint lab score bench languages causes sample bundle lock clean
.DEFAULT_GOAL := help

DEMO_CASE   := captures/postgres_client_abort
DEMO_REPORT := reports/demo.html
CASE        :=
BIN         := .venv/bin

help:  ## list these words
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST)

# Exit status 1 means that a harmful reset was found: that is what the demo shows.
demo:  ## analyse a shipped capture with its log, and say where the report is
	@tools/setup.sh run
	@rm -f $(DEMO_REPORT)
	@$(BIN)/pcapreport analyze $(DEMO_CASE)/server.pcap --log $(DEMO_CASE)/postgresql.log -o $(DEMO_REPORT) || [ $$? -eq 1 ]
	@test -s $(DEMO_REPORT)
	@echo "The report: $(CURDIR)/$(DEMO_REPORT)  file://$(CURDIR)/$(DEMO_REPORT)"

# pytest comes last: its summary is the last line.
test: lint  ## lint, then run every test
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint:  ## ruff and mypy
	@tools/setup.sh dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lab:  ## record the lab's captures again, all or CASE=name (root, Linux)
	@tools/setup.sh dev
	@$(BIN)/python -m captures.lab.build $(CASE)

score:  ## judge the whole corpus, and write captures/SCORE.md
	@tools/setup.sh dev
	@$(BIN)/python -m captures.lab.score

bench:  ## measure against tshark
	@tools/setup.sh dev
	@$(BIN)/python -m benchmarks

notebooks:  ## run the notebooks and write their outputs anew
	@tools/setup.sh dev
	@$(BIN)/python -m tools.notebooks

languages:  ## bring the catalogues of the report's languages up to date, and list what has no translation
	@tools/setup.sh dev
	@$(BIN)/python -m tools.languages

causes:  ## write the pages of the causes, docs/causes/, anew
	@tools/setup.sh dev
	@$(BIN)/python -m tools.causes

sample:  ## write reports/sample/ and its picture anew
	@tools/setup.sh dev
	@$(BIN)/python -m tools.sample

bundle:  ## an offline install in dist/: wheels for this platform, tried out in an empty environment
	@tools/setup.sh dev
	@$(BIN)/python -m tools.bundle

# One resolution for every platform and Python; no address of an index is written.
LOCK := uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'
lock:  ## renew the exact versions and hashes from pyproject.toml
	@tools/setup.sh dev
	@$(BIN)/$(LOCK) --group build --output-file requirements.txt
	@$(BIN)/$(LOCK) --group dev --constraints requirements.txt --output-file requirements-dev.txt

clean:  ## remove the virtual environment, caches and build output; captures and reports stay
	@rm -rf .venv .cache build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
