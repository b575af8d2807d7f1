"""A pretrained model with a new head for classes: opened, checked, and made anew for each training."""

from pathlib import Path
from typing import Any, Protocol

import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from grover_hf.errors import InputError
from grover_hf.inference.input_rules import share_pad_id
from grover_hf.model import identity_of_model

_NEW = {"classifier", "score", "pooler"}
"""Modules that a fine-tuning adds to a pretrained model."""


class ModelChoice(Protocol):
    """The fields of a recipe that say which model."""

    @property
    def model(self) -> str: ...
    @property
    def revision(self) -> str | None: ...
    @property
    def trust_remote_code(self) -> bool: ...
    @property
    def random_weights(self) -> bool: ...
    @property
    def dropout(self) -> float | None: ...
    @property
    def lora_rank(self) -> int: ...


def open_model(recipe: ModelChoice, class_names: list[str]) -> tuple[Any, Any]:
    """Return configuration and tokenizer of the model.

    Raises:
        InputError: If it cannot be opened, or has no dropout that could be set.
    """
    where = {"revision": recipe.revision, "trust_remote_code": recipe.trust_remote_code}
    labels = {
        "id2label": dict(enumerate(class_names)), "label2id": {name: i for i, name in enumerate(class_names)},
    }
    try:
        config = AutoConfig.from_pretrained(recipe.model, num_labels=len(class_names), **labels, **where)
        tokenizer = AutoTokenizer.from_pretrained(recipe.model, **where)
    except (OSError, ValueError) as error:
        where_looked = "" if Path(recipe.model).exists() else "There is no such folder; as a name on the Hub: "
        raise InputError(f"The model {recipe.model} cannot be opened. {where_looked}{error}") from error
    if recipe.dropout is not None:
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if not hasattr(config, name):
                raise InputError(f"{recipe.model} has no {name}; leave dropout out of the recipe.")
            setattr(config, name, recipe.dropout)
    return config, tokenizer


def new_model(recipe: ModelChoice, config: Any, tokenizer: Any) -> Any:
    """Return the model with a new head: pretrained, or with random weights; see `with_lora`.

    Raises:
        InputError: If the weights are those of another architecture, or of other classes.
    """
    if recipe.random_weights:
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=recipe.trust_remote_code)
    else:
        model = _pretrained(recipe, config)
    share_pad_id(model, tokenizer)
    return model


def with_lora(model: Any, rank: int) -> Any:
    """Return the model wrapped, so that low-rank changes of its weights and its new head alone are trained."""
    import peft  # here: importing it takes seconds

    # The head is new, and so is the pooler of a BERT that was pretrained on masked tokens.
    new = [name for name, _ in model.named_modules() if name.split(".")[-1] in _NEW]
    settings = peft.LoraConfig(
        task_type="SEQ_CLS", r=rank, lora_alpha=2 * rank, modules_to_save=new
    )
    return peft.get_peft_model(model, settings)


def _pretrained(recipe: ModelChoice, config: Any) -> Any:
    # transformers lists a head that is new and one that is left out as if something were wrong; what
    # would be wrong is checked here.
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            recipe.model, config=config, revision=recipe.revision, trust_remote_code=recipe.trust_remote_code,
            output_loading_info=True,
        )
    except RuntimeError as error:
        raise InputError(
            f"The weights of {recipe.model} do not fit: {str(error).splitlines()[0]} A model that was fine-tuned "
            "on other classes has a head of its own; begin with the pretrained one."
        ) from error
    finally:
        transformers.logging.set_verbosity(verbosity)
    if missing := [name for name in loaded["missing_keys"] if not _NEW & set(name.split("."))]:
        raise InputError(
            f"{recipe.model} has no weights for {len(missing)} parameters, such as {missing[0]}: its files and "
            "its configuration do not belong together."
        )
    return model


def model_identity(recipe: ModelChoice) -> dict[str, str | None]:
    """Return what tells a model from others of its name; of random weights nothing but the Hub's commit does."""
    identity = identity_of_model(recipe.model, recipe.revision)
    return identity | {"sha256": None} if recipe.random_weights else identity


def count_parameters(model: Any) -> dict[str, int]:
    """Return how many parameters a model has, and how many of them are trained."""
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {"parameters": sum(parameter.numel() for parameter in model.parameters()), "trained": trained}
