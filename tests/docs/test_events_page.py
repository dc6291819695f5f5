"""What docs/events.md says is what the code declares."""

from pathlib import Path

from obra.events import KINDS, catalog

DOCS = Path(__file__).parents[2] / "docs"


def test_the_events_page_is_current(tmp_path: Path) -> None:
    catalog.main(tmp_path)
    for name in ("events.md", "events.schema.json"):
        assert (DOCS / name).read_bytes() == (tmp_path / name).read_bytes(), "run `just docs`"


def test_the_schema_names_every_event() -> None:
    assert {part["properties"]["type"]["enum"][0] for part in _structs()} == set(KINDS)


def _structs() -> list[dict[str, dict[str, dict[str, list[str]]]]]:
    parts = catalog.schema()["$defs"].values()
    tagged = (part for part in parts if "enum" in part.get("properties", {}).get("type", {}))
    return [part for part in tagged if "type" in part["required"]]
