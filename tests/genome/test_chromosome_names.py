import pytest

from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.annotations import require_same_names
from grover_hf.genome.chromosome_names import offer, synonyms


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("1", "chr1"), ("chr1", "1"), ("Chr1", "chr1"), ("CHR01", "1"), ("chromosome_1", "chr1"), ("x", "chrX"),
        ("MT", "chrM"), ("chrM", "MT"), ("2L", "chr2L"), ("chrIV", "IV"), ("ChrC", "chrC"),
    ],
)
def test_names_of_one_chromosome_are_offered_both_ways(name, known):
    others = ["chr10", "chr11", "chrIII", "scaffold_1", "NC_000001.11", "chr3L"]
    assert synonyms([name], [known, *others]) == {name: known}
    assert synonyms([known], [name, *others]) == {known: name}


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (["1"], ["chr11", "scaffold_1", "1p", "2"]), (["1"], ["chr1", "Chr1"]), (["chr"], ["chr1", ""]),
        ([], ["chr1"]),
    ],
)
def test_what_could_mean_several_or_none_is_not_offered(names, known):
    assert synonyms(names, known) == {}
    assert offer(names, known) == ""


def test_errors_offer_the_names_of_the_genome_and_nothing_is_renamed(write_fasta):
    path = write_fasta(">Chr1\nACGT\n>Chr2\nACGT\n")
    with pytest.raises(InputError, match=r"no chromosome 'chr2'; it has Chr1, Chr2. Did you mean Chr2 for chr2\?"):
        ReferenceGenome(path, ["chr2"])
    message = r"longest are Chr1 .*, such as Chr1,Chr2; or a pattern, such as 'Chr\*'; .* or take all"
    with pytest.raises(InputError, match=message):
        ReferenceGenome(path, "primary")
    with pytest.raises(InputError, match=r"Did you mean chr1 for 1, chr2 for 2, chr3 for 3 and so on\?"):
        require_same_names(["4", "1", "3", "2"], ["chr1", "chr2", "chr3", "chr4"], what="a.bed", genome="g.fa")
