"""The private methods of transformers' Trainer that ours override: are they still there, and called as they were?

`pyproject.toml` allows versions of transformers that were never tried here. Where this test fails, look at what
the override does before anything else: one that is not called any more fails silently.
"""

import inspect
import re

import pytest
from transformers import Trainer
from transformers import trainer as trainer_module

from training.pretrain import PretrainTrainer
from training.trainers.classification import FinetuneTrainer
from training.trainers.resumable import ResumableTrainer
from training.trainers.watched import WatchedTrainer

OVERRIDES = {
    (WatchedTrainer, "_maybe_log_save_evaluate"): (["tr_loss", "grad_norm"], "sees each step before it is logged"),
    (ResumableTrainer, "_save_checkpoint"): (["model", "trial"], "seals a checkpoint that is written"),
    (ResumableTrainer, "_issue_warnings_after_load"): (["load_result"], "is silent about tied weights"),
    (PretrainTrainer, "_get_train_sampler"): (["train_dataset"], "gives the order of windows"),
    (FinetuneTrainer, "_prepare_inputs"): (["inputs"], "takes the row numbers out of a batch"),
}
"""The first parameters that each is called with, and what ours does there."""
SOURCE = inspect.getsource(trainer_module)


@pytest.mark.parametrize(("trainer", "name"), OVERRIDES, ids=lambda value: getattr(value, "__name__", value))
def test_a_private_method_that_is_overridden_is_still_called_with_what_ours_takes(trainer, name):
    parameters, purpose = OVERRIDES[trainer, name]
    override = f"{trainer.__module__}.{trainer.__name__}.{name}, which {purpose}"
    assert hasattr(Trainer, name), f"transformers has no Trainer.{name} any more; it is overridden by {override}"
    taken = [*inspect.signature(getattr(Trainer, name)).parameters][1:]
    assert taken[: len(parameters)] == parameters, f"Trainer.{name} takes {taken} now; look at {override}"
    if len(parameters) == 1:
        # A second parameter would not reach the original.
        assert taken == parameters, f"Trainer.{name} takes {taken} now; look at {override}"
    assert re.search(rf"self\.{name}\b", SOURCE), f"the Trainer does not call {name} any more; look at {override}"


def test_each_step_is_looked_at_once_and_each_epoch_once_more():
    # `WatchedTrainer` relies on it: it looks where a loss was added since the last call.
    assert len(re.findall(r"self\._maybe_log_save_evaluate\(", SOURCE)) == 2


def test_no_private_method_is_overridden_that_this_test_does_not_know():
    for trainer in (WatchedTrainer, ResumableTrainer, PretrainTrainer, FinetuneTrainer):
        private = {name for name in vars(trainer) if re.match("_[^_]", name) and hasattr(Trainer, name)}
        assert private <= {name for owner, name in OVERRIDES if owner is trainer} | {"_abc_impl"}
