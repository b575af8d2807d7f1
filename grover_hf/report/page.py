"""`grover report`: everything that was found, as one HTML file that loads nothing.

The page carries the library that draws its charts, and a picture of each chart for readers without scripts. Its
Content-Security-Policy names the digests of the two scripts that may run. Nothing else does, wherever it is from.
"""

import base64
import datetime
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from grover_hf._internals.files import atomic_write
from grover_hf._internals.outputs import only_writer, require_not_an_input
from grover_hf._internals.progress import progress_bar
from grover_hf.errors import InputError
from grover_hf.report import sections
from grover_hf.report.caveats import caveats
from grover_hf.report.charts import Spec
from grover_hf.report.inputs import Found, find

_TEMPLATES = Path(__file__).parent / "templates"
_MARK = '<meta name="generator" content="grover_hf report">'
"""By which a page of ours is known; it stands in the template too."""
_MOST_DRAWN = 5_000
"""Rows of a chart up to which its picture is made of lines (SVG); above, of pixels."""
_VEGA_LITE = "6.4"


@dataclass(frozen=True)
class Page:
    """A report as it is written."""

    html: str
    n_charts: int
    caveats: list[str]


def write_report(
    folders: Sequence[Path], output: Path, *, title: str = "grover_hf report", overwrite: bool = False
) -> Page:
    """Write a report of what is below some folders.

    Args:
        folders: Runs, scores, a quickstart, window maps, tracks, or folders that hold any of them.
        output: The HTML file.
        title: Its heading.
        overwrite: Replace a report that is there.

    Raises:
        InputError: If there is nothing to show, a file is damaged, the output may not be written, or what draws
            the charts is not installed.
    """
    require_vega()
    require_not_an_input(output, folders)
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{output} must end in .html.")
    if output.exists():
        if not overwrite:
            raise InputError(f"{output} is there already; name another --output, or say --overwrite.")
        if not output.is_file() or _MARK not in output.read_text(encoding="utf-8", errors="replace")[:2_000]:
            raise InputError(f"{output} is not replaced: it is no report of this command.")
    with only_writer(output):
        page = render(find(folders), folders=folders, title=title)
        with atomic_write(output) as beside:
            beside.write_text(page.html, encoding="utf-8")
    return page


def render(found: Found, *, folders: Sequence[Path], title: str) -> Page:
    """Return the page of what was found."""
    said = caveats(found)
    parts: dict[str, Any] = {
        "models": [sections.model(one, found) for one in found.evaluations] + sections.unjudged(found),
        "scores": sections.scores(found),
        "vocabularies": [sections.vocabulary(one) for one in found.corpora],
        "tokens": [sections.tokens(number, one) for number, one in enumerate(found.evaluations) if one.types],
        "maps": [sections.window_map(path) for path in found.maps],
        "tracks": [sections.track(folder) for folder in found.tracks],
    }
    figures = sections.figures_in(parts)
    with progress_bar(total=len(figures), what="charts") as bar:
        for number, figure in enumerate(figures):
            figure.key, figure.picture = f"chart-{number}", picture_of(figure.spec)
            bar.update()
    library, script, css = _vega_bundle(), _file("report.js"), _file("report.css")
    names = {
        "warnings": "Warnings", "flow": "From what", "models": "The model", "scores": "Scores",
        "vocabulary": "Vocabulary", "tokens": "Tokens", "map": "Windows", "tracks": "Along the genome",
    }
    flows = sections.flows(found)
    there = {
        "warnings": True, "flow": flows, "models": parts["models"], "scores": parts["scores"],
        "vocabulary": parts["vocabularies"], "tokens": parts["tokens"], "map": parts["maps"],
        "tracks": parts["tracks"],
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, autoescape=True,
        trim_blocks=True, lstrip_blocks=True,
    )
    html = environment.get_template("report.html").render(
        title=title, version=version("grover-hf"), date=datetime.date.today().isoformat(),
        folders=[str(folder) for folder in folders], policy=policy([library, script]), css=Markup(css),
        library=Markup(library), script=Markup(script), caveats=said, flows=flows,
        sections=[(key, name) for key, name in names.items() if there[key]],
        charts=[{"key": figure.key, "json": Markup(as_script_data(figure.spec))} for figure in figures], **parts,
    )
    return Page(html, len(figures), [one.text for one in said])


def policy(scripts: Sequence[str]) -> str:
    """Return a Content-Security-Policy under which these scripts run and no others, and nothing is loaded.

    >>> policy(["1"])[:60]
    "default-src 'none'; script-src 'sha256-a4ayc/80/OGda4BO/1o/V0"
    """
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    # Tooltips set styles of their own; a style cannot run anything.
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def as_script_data(value: Any) -> str:
    r"""Return JSON that can stand in a script element: no text in it can end the element.

    >>> print(as_script_data({"name": "</script>"}))
    {"name":"\u003c/script>"}
    """
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def picture_of(spec: Spec) -> str:
    """Return a chart as the address of a picture that is in it."""
    import vl_convert

    n_rows = len(spec.get("data", {}).get("values", []))
    if n_rows <= _MOST_DRAWN:
        svg = vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE)
        return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    png = vl_convert.vegalite_to_png(spec, vl_version=_VEGA_LITE, scale=1)
    return "data:image/png;base64," + base64.b64encode(png).decode()


def require_vega() -> None:
    """Raise `InputError` at the start of a long job if its charts could not be drawn."""
    try:
        import vl_convert  # noqa: F401
    except ImportError:
        raise InputError("A report needs vl-convert-python: pip install 'grover-hf[analysis]'") from None


def _vega_bundle() -> str:
    import vl_convert

    # Its types say that a snippet is needed, its documentation and code that none is.
    bundle: str = vl_convert.javascript_bundle(vl_version=_VEGA_LITE)  # type: ignore[call-arg]
    # It would end the element that it stands in.
    return bundle.replace("</script", "<\\/script")


def _file(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
