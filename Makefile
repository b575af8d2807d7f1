# The two commands of the README. `make PYTHON=python3.12 ...` chooses an interpreter.
PYTHON ?= python3
ENV ?= .venv

.PHONY: quickstart test lint docs

quickstart: $(ENV)/ready
	$(ENV)/bin/grover quickstart $(ARGS)

# One process a core, up to four.
test: $(ENV)/ready
	$(ENV)/bin/python -m pytest -n logical --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(ENV)/ready
	$(ENV)/bin/ruff check .
	$(ENV)/bin/mypy
	$(ENV)/bin/lint-imports

# The variable leaves out a notice of mkdocs-material on its own future.
docs: $(ENV)/docs-ready
	NO_MKDOCS_2_WARNING=1 $(ENV)/bin/python -m mkdocs build --strict --clean $(ARGS)

$(ENV)/docs-ready: $(ENV)/ready
	$(ENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

$(ENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else 'Python 3.11 or later is needed: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(ENV)
	$(ENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[analysis,dev,formats]'
	touch $@
