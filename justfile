# Show every recipe.
default:
    @just --list --unsorted

# Everything CI runs, in the same order.
check: lint types docs-check test

# Format, lint and architecture contracts.
lint:
    uv run --group lint ruff format --check
    uv run --group lint ruff check
    uv run --group lint lint-imports

# Strict types, twice.
types:
    uv run --group lint mypy
    uv run --group lint basedpyright

# Make the pages that are made from code.
docs:
    uv run python -m obra.events.catalog docs

# Fail if a made page is out of date.
docs-check:
    uv run python -m obra.events.catalog docs
    git diff --exit-code docs/events.md docs/events.schema.json

# Property tests only.
laws *args:
    uv run pytest tests/laws {{args}}

# All tests; a real nats-server starts per test and needs no Docker.
test *args:
    uv run pytest {{args}}

# What takes a minute and more: log-sink killed fifty times under load.
chaos *args:
    uv run pytest -n 0 --slow -m slow {{args}}

# Record real runs as histories of this version; never again once it is released.
record *args:
    uv run python -m tests.histories.record {{args}}

# Measure, and print tables.
bench *args:
    uv run python -m benchmarks {{args}}

# Refresh the exact versions under [tool.uv] constraint-dependencies.
lock:
    uv run python infra/lock.py

# Install Claude Code for tests/real into .claude-cli (needs npm; the tests are skipped without it).
claude-cli:
    npm install --no-audit --no-fund --prefix .claude-cli @anthropic-ai/claude-code@2.1.330
