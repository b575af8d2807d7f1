"""The folder of a run: `recipe.yaml  metrics.json  log.jsonl  checkpoints/  model/`."""

import json
from pathlib import Path
from typing import Any

import yaml
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grover_hf.files import written_whole


def write_recipe(run: Path, recipe: dict[str, Any]) -> None:
    """Write the recipe as it was run, all fields and all overrides."""
    with written_whole(run / "recipe.yaml") as beside:
        beside.write_text(yaml.safe_dump(recipe, sort_keys=False))


class JsonLinesLog(TrainerCallback):
    """Appends what the Trainer logs to `log.jsonl`, a JSON object a line, with `always` in each."""

    def __init__(self, run: Path, **always: int) -> None:
        self._path = run / "log.jsonl"
        self._always = always

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl,
        logs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:
        if state.is_world_process_zero and logs:
            numbers = {name: value for name, value in logs.items() if not isinstance(value, list)}
            with open(self._path, "a") as file:
                file.write(json.dumps({**self._always, "step": state.global_step, **numbers}) + "\n")
