"""Each allele is what VCF says it is, and its reference what the genome has."""

import numpy as np
import pytest

from grover_hf import InputError, ReferenceGenome
from grover_hf.genome.letters import reverse_complement
from grover_hf.variants.alleles import Records, checked_alleles

GENOME = "ACGTACGTNNACGTTTTTTT"


@pytest.fixture
def genome(write_fasta):
    return ReferenceGenome(write_fasta(f">c\n{GENOME}\n"))


def records(*rows, chrom="c"):
    places = [f"v.vcf, line {number}" for number in range(2, len(rows) + 2)]
    positions, refs, alts = zip(*rows, strict=True)
    return Records("v.vcf", places, [chrom] * len(rows), np.array(positions), refs, alts)


@pytest.mark.parametrize(("row", "kind", "start", "ref", "alt"), [
    ((1, "A", "C"), "SNV", 0, "A", "C"),
    ((1, "a", "c"), "SNV", 0, "A", "C"),
    ((1, "ACG", "ATG"), "SNV", 1, "C", "T"),
    ((1, "AC", "GT"), "MNV", 0, "AC", "GT"),
    ((1, "A", "AT"), "indel", 1, "", "T"),
    ((1, "ACG", "A"), "indel", 1, "CG", ""),
    ((13, "GTT", "GT"), "indel", 13, "T", ""),
    ((1, "AC", "TTT"), "indel", 0, "AC", "TTT"),
    ((1, "A", "<DEL>"), "symbolic allele", 0, "A", "<DEL>"),
    ((1, "A", "*"), "star allele", 0, "A", "*"),
    ((1, "A", "."), "no alternative", 0, "A", "."),
    ((1, "A", "A[c:9["), "breakend", 0, "A", "A[c:9["),
    ((1, "A", ".T"), "breakend", 0, "A", ".T"),
    ((1, "A", "N"), "unknown bases", 0, "A", "N"),
    ((8, "TNN", "T"), "unknown bases", 7, "TNN", "T"),
    ((1, "A", "A"), "same as the reference", 0, "A", "A"),
    ((1, "A", "A" + "C" * 51), "longer than 50 bases", 0, "A", "A" + "C" * 51),
])
def test_kind_place_and_bases_of_an_allele(genome, row, kind, start, ref, alt):
    alleles = checked_alleles(records(row), genome)
    assert (alleles.kinds[0], alleles.starts[0]) == (kind, start)
    assert (alleles.refs[0], alleles.alts[0]) == (ref, alt)
    assert alleles.scored[0] == (kind in ("SNV", "MNV", "indel"))


def test_several_alternatives_are_one_row_each_in_the_order_of_the_file(genome):
    alleles = checked_alleles(records((2, "C", "A,<DEL>,CT"), (1, "A", "G")), genome)
    assert alleles.records.tolist() == [0, 0, 0, 1]
    assert alleles.kinds.tolist() == ["SNV", "symbolic allele", "indel", "SNV"]
    assert alleles.counts() == {"SNV": 2, "symbolic allele": 1, "indel": 1}


def test_an_allele_lies_on_the_other_strand_where_its_complement_does(genome):
    alleles = checked_alleles(records((2, "CG", "TT"), (2, "C", "CA"), (2, "CGT", "C")), genome)
    there = reverse_complement(GENOME)
    placed = alleles.placed(np.arange(3))
    other = placed.reversed(len(GENOME))
    for row in range(3):
        start, ref, alt = other.starts[row], other.refs[row], other.alts[row]
        assert there[start : start + len(ref)] == ref
        changed = there[:start] + alt + there[start + len(ref) :]
        at, old, new = placed.starts[row], placed.refs[row], placed.alts[row]
        assert changed == reverse_complement(GENOME[:at] + new + GENOME[at + len(old) :])


def test_references_that_differ_are_refused_above_one_in_a_hundred_with_what_is_there(genome):
    rows = [(1, "A", "C")] * 99 + [(1, "G", "C")]
    alleles = checked_alleles(records(*rows), genome)
    assert alleles.counts() == {"SNV": 99, "reference differs from the genome": 1}
    with pytest.raises(InputError, match="(?s)2 of 101 records .*assembly.*c:1 G, where the genome has A"):
        checked_alleles(records(*rows, (19, "TTT", "T")), genome)
    assert checked_alleles(records(*rows, (19, "TTT", "T")), genome, allow_mismatches=True).scored.sum() == 99


def test_positions_past_the_end_and_before_the_start_are_mismatches(genome):
    with pytest.raises(InputError, match="where the genome has nothing"):
        checked_alleles(records((99, "A", "C")), genome)
    with pytest.raises(InputError, match="2 of 2 records"):
        checked_alleles(records((0, "A", "C"), (20, "TA", "C")), genome)


def test_chromosomes_of_another_name_are_offered_and_those_that_are_missing_left_out(genome, write_fasta):
    with pytest.raises(InputError, match="none in common.*Did you mean c for chrc"):
        checked_alleles(records((1, "A", "C"), chrom="chrc"), genome)
    some = records((1, "A", "C"), (1, "A", "C"))
    some = Records(some.path, some.places, ["c", "decoy"], some.positions, some.refs, some.alts)
    assert checked_alleles(some, genome).kinds.tolist() == ["SNV", "chromosome not in the genome"]


@pytest.mark.parametrize(("row", "message"), [
    ((1, "A", "AU"), "line 2: ALT is 'AU'"), ((1, "-", "A"), "line 2: REF is '-'"), ((1, "A", ""), "ALT is ''"),
])
def test_alleles_that_are_no_bases_are_errors_with_their_line(genome, row, message):
    with pytest.raises(InputError, match=message):
        checked_alleles(records(row), genome)


def test_n_in_the_reference_of_a_structural_variant_is_no_mismatch(genome):
    alleles = checked_alleles(records((1, "N", "<DEL>"), (2, "N", "G"), (1, "A", "C")), genome)
    assert alleles.kinds.tolist() == ["symbolic allele", "unknown bases", "SNV"]
