"""Cards from facts: a Jinja template and a dictionary. Nobody types a number into a card."""

import json
from pathlib import Path
from typing import Any

import jinja2


def render_card(template: Path, facts: dict[str, Any]) -> str:
    """Return the Markdown of a card; a fact that the template needs and lacks is an error.

    Values that the front matter takes must pass the filter `yaml`, which quotes them. A template may
    include others from its own folder and the one above.

    Raises:
        jinja2.UndefinedError: If a fact is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, template.parent.parent]),
        undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # JSON is YAML, and quotes what YAML would read as something else.
    environment.filters["yaml"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.filters["thousands"] = lambda value: f"{value:,}"
    return environment.from_string(template.read_text()).render(**facts)
