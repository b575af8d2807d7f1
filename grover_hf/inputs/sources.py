"""The table of public inputs: addresses, sizes, digests, terms.

It was written without a network, and no address was tried. `Source.tried` says so; set it to the day on which
somebody fetched the whole source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class File:
    """One file to download.

    Attributes:
        url: Its address.
        name: Its path in the folder of the user.
        n_bytes: Its size; None if not known.
        digest: "md5:..." or "sha256:..."; None if not known.
    """

    url: str
    name: str
    n_bytes: int | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Source:
    """A public input.

    Attributes:
        description: What it is.
        used_by: The verbs that read it.
        licence: Its licence or terms, in a line.
        citation: What to cite.
        page: Where a person finds it.
        files: What is downloaded; none if it has to be done by hand.
        by_hand: What to do on the page, if there are no files.
        tried: Day on which the addresses were last seen to work, such as "2025-01-31"; None: never.
    """

    description: str
    used_by: str
    licence: str
    citation: str
    page: str
    files: tuple[File, ...] = ()
    by_hand: str = ""
    tried: str | None = None


_UCSC = "https://hgdownload.soe.ucsc.edu/goldenPath"
_EPD = "https://epd.expasy.org/ftp/epdnew/H_sapiens/006"
_JASPAR = "https://jaspar.elixir.no"
_TRAITGYM = "https://huggingface.co/datasets/songlab/TraitGym"
_NT = "https://huggingface.co/datasets/InstaDeepAI/nucleotide_transformer_downstream_tasks"
# The last revision of the release that the paper used; `main` got other files since.
_NT_REVISION = "35505196a3ce21d6db1ad42462094ede77108916"
_NT_TASKS = (
    "promoter_all", "promoter_tata", "promoter_no_tata", "enhancers", "enhancers_types",
    "splice_sites_all", "splice_sites_acceptors", "splice_sites_donors",
)

SOURCES: Mapping[str, Source] = MappingProxyType({
    "hg19": Source(
        description="The human genome hg19 (GRCh37), all sequences of 2009, repeats in lower case.",
        used_by="train-bpe, tokenize, quickstart, build next-kmer",
        licence="Freely available for any use, on the conditions of https://genome.ucsc.edu/conditions.html.",
        citation=(
            "International Human Genome Sequencing Consortium, Nature 2001, https://doi.org/10.1038/35057062; "
            "UCSC Genome Browser, https://genome.ucsc.edu/cite.html"
        ),
        page=f"{_UCSC}/hg19/bigZips/",
        # The MD5 is that of UCSC's md5sum.txt in the same folder.
        files=(File(
            f"{_UCSC}/hg19/bigZips/hg19.fa.gz", "hg19.fa.gz", 948_731_419,
            "md5:806c02398f5ac5da8ffd6da2d1d5d1a9",
        ),),
    ),
    "epd": Source(
        description="Promoters of EPDnew human 006: 29,598 start sites in hg38.",
        used_by="build prom300, build promscan (with the input chain, for hg19)",
        licence="No licence text was found; EPD asks to be cited. Ask EPD before you redistribute it.",
        citation="Meylan et al., EPD in 2020, Nucleic Acids Research 2020, https://doi.org/10.1093/nar/gkz1014",
        page=f"{_EPD}/",
        files=(File(f"{_EPD}/Hs_EPDnew_006_hg38.bed", "Hs_EPDnew_006_hg38.bed"),),
    ),
    "ctcf": Source(
        description="ChIP-seq peaks of CTCF in HepG2, ENCODE experiment ENCSR000BIE.",
        used_by="build ctcf --peaks",
        licence=(
            "Free to use and to publish on, with citation of the consortium, the laboratory and the accessions "
            "(https://www.encodeproject.org/help/citing-encode/)."
        ),
        citation="ENCODE Project Consortium, Nature 2012, https://doi.org/10.1038/nature11247; ENCSR000BIE",
        page="https://www.encodeproject.org/experiments/ENCSR000BIE/",
        by_hand=(
            "the experiment has peaks of several analyses and assemblies, and the paper names none. Choose "
            'a "bed narrowPeak" of "conservative IDR thresholded peaks" for hg19 and give it as --peaks.'
        ),
    ),
    "jaspar": Source(
        description="Motif of CTCF, JASPAR MA0139.1: counts of 19 columns.",
        used_by="build ctcf --motif",
        licence=f'Open data, "can be used without restrictions" ({_JASPAR}/docs/).',
        citation="Rauluseviciute et al., JASPAR 2024, Nucleic Acids Research, https://doi.org/10.1093/nar/gkad1059",
        page=f"{_JASPAR}/matrix/MA0139.1/",
        files=(File(f"{_JASPAR}/api/v1/matrix/MA0139.1.jaspar", "MA0139.1.jaspar"),),
    ),
    "chain": Source(
        description="UCSC's chain file from hg38 to hg19.",
        used_by="build prom300 --chain, build promscan --chain",
        licence=(
            "Property of the Regents of the University of California; free for non-commercial use by independent "
            "researchers and nonprofit organizations, any other use needs a licence; a copy that you pass on "
            "must carry its README (https://genome.ucsc.edu/license/EULA.pdf)."
        ),
        citation=(
            "Hinrichs et al., The UCSC Genome Browser Database: update 2006, Nucleic Acids Research 2006, "
            "https://doi.org/10.1093/nar/gkj144"
        ),
        page=f"{_UCSC}/hg38/liftOver/",
        files=(File(f"{_UCSC}/hg38/liftOver/hg38ToHg19.over.chain.gz", "hg38ToHg19.over.chain.gz"),),
    ),
    "gue": Source(
        description="GUE, the benchmark of DNABERT-2: CSV files of its tasks, in one archive.",
        used_by="build gue --source",
        licence="Apache-2.0, that of the repository of DNABERT-2.",
        citation="Zhou et al., DNABERT-2, ICLR 2024, https://arxiv.org/abs/2306.15006",
        page="https://github.com/MAGICS-LAB/DNABERT_2",
        by_hand=(
            "its README links to an archive on Google Drive, which gives large files only after a question. "
            "Unpack the archive; the folder with tf/0/train.csv in it is the --source."
        ),
    ),
    "nt": Source(
        description="The eight human tasks of the Nucleotide Transformer that the paper uses, first release.",
        used_by="build nucleotide-transformer --source",
        licence="The dataset card states no licence. Ask the authors before you redistribute them.",
        citation="Dalla-Torre et al., Nature Methods 2025, https://doi.org/10.1038/s41592-024-02523-z",
        page=_NT,
        files=tuple(
            File(f"{_NT}/resolve/{_NT_REVISION}/{task}/{split}.fna", f"{task}/{split}.fna")
            for task in _NT_TASKS
            for split in ("train", "test")
        ),
    ),
    "traitgym": Source(
        description="TraitGym: causal variants of traits, each beside nine matched controls.",
        used_by="build traitgym --source",
        licence="No licence text was seen. Look at the page before you redistribute it.",
        citation="Benegas, Eraslan and Song, bioRxiv 2025, https://doi.org/10.1101/2025.02.11.637758",
        page=_TRAITGYM,
        files=tuple(
            File(f"{_TRAITGYM}/resolve/main/{folder}/test.parquet", f"{folder}/test.parquet")
            for folder in ("mendelian_traits_matched_9", "complex_traits_matched_9")
        ),
    ),
})
"""By the name that `grover fetch` takes."""
