import pytest

from grover_hf.errors import InputError
from training.finetune import FinetuneRecipe
from training.pretrain import PretrainRecipe
from training.runs.recipe import RECIPES, read_recipe
from training.runs.trainer_arguments import with_warmup


def warmup(n_steps, **changes):
    recipe = read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", {"warmup_share": None, **changes})
    return with_warmup(recipe, n_steps).warmup_steps


def test_a_warm_up_has_its_steps_or_its_share_whichever_is_less():
    assert warmup(1_000, warmup_steps=50) == 50
    assert warmup(1_000, warmup_steps=50, warmup_share=0.1) == 50
    assert warmup(200, warmup_steps=50, warmup_share=0.1) == 20
    assert warmup(2, warmup_steps=50, warmup_share=0.1) == 0


def test_a_warm_up_that_leaves_no_step_is_refused_with_what_helps():
    with pytest.raises(InputError, match="has 50 steps, but the training has 50 in all.*--warmup_share 0.1"):
        warmup(50, warmup_steps=50)
    assert warmup(51, warmup_steps=50) == 50
    assert warmup(1, warmup_steps=0) == 0


@pytest.mark.parametrize("share", [-0.1, 1.0, 20.0])
def test_a_share_is_less_than_the_whole(share):
    with pytest.raises(InputError, match=f"warmup_share is {share}; it is 0 or more and less than 1"):
        warmup(100, warmup_share=share)


@pytest.mark.parametrize("path", sorted((RECIPES / "finetune").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_packaged_fine_tuning_warms_up_on_200_rows_and_as_before_on_many(path):
    recipe = read_recipe(FinetuneRecipe, path.stem, "finetune", {})
    # Four fifths of 200 rows are train rows.
    n_steps = recipe.epochs * -(-160 // recipe.batch_size)
    assert 0 < with_warmup(recipe, n_steps).warmup_steps < n_steps / 2
    assert with_warmup(recipe, 10_000).warmup_steps == 50


@pytest.mark.parametrize("path", sorted((RECIPES / "pretrain").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_packaged_pretraining_warms_up_as_it_says(path):
    recipe = read_recipe(PretrainRecipe, path.stem, "pretrain", {})
    assert with_warmup(recipe, recipe.max_steps) == recipe
