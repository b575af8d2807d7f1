import pytest
from transformers import AutoModelForMaskedLM, AutoTokenizer

from grover_hf.errors import InputError
from grover_hf.quickstart import run_quickstart


def test_the_whole_way_on_a_fasta_of_the_user(simulated_fasta, tmp_path, capsys):
    run_quickstart(tmp_path / "q", genome=simulated_fasta, n_cycles=100, max_steps=3)
    out = capsys.readouterr().out
    for text in ("masked-token accuracy, top 1", "perplexity", "pretrain a tiny BERT", "fill-mask", "true:"):
        assert text in out
    assert (tmp_path / "q" / "vocabulary.png").stat().st_size > 10_000
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "q" / "run" / "model")
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(tmp_path / "q" / "run" / "model")) == 109
    with pytest.raises(InputError, match="is there already"):
        run_quickstart(tmp_path / "q", genome=simulated_fasta)
