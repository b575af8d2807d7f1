"""Public inputs: where they are, on which terms, and how they come whole.

Nothing here is needed to run: every verb takes files on disk.
"""

from grover_hf.inputs.download import fetch
from grover_hf.inputs.sources import SOURCES, File, Source

__all__ = ["SOURCES", "File", "Source", "fetch"]
