"""Components find what vectors were made of; correlations say which property it is."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from grover_hf.errors import InputError
from grover_hf.interpretation.token_vectors.components import (
    Components,
    cluster_order,
    cluster_tree,
    components_of,
    mev_at_random,
    ranks_of_first,
    umap_of,
)
from grover_hf.interpretation.token_vectors.correlations import (
    best_component,
    best_property,
    correlations,
    residuals,
    uncorrelated,
)
from grover_hf.interpretation.token_vectors.properties import FREQUENCY, GC, token_properties
from grover_hf.interpretation.token_vectors.vectors import TokenVectors
from tests.tiny_models import random_dna

RNG = np.random.default_rng(0)
TOKENS = [random_dna(length, seed) for seed, length in enumerate(RNG.integers(2, 9, 120))]
IDS = np.arange(5, 125)
COUNTS = RNG.integers(100, 10_000, 120)


@pytest.fixture(scope="module")
def properties():
    return token_properties(TOKENS, IDS, COUNTS).table


@pytest.fixture(scope="module")
def made_of_gc(properties):
    """Vectors whose first direction is GC content, and the second, much weaker, length."""
    directions = np.linalg.qr(RNG.normal(size=(30, 30)))[0]
    gc, length = ((properties[name] - properties[name].mean()) / properties[name].std() for name in (GC, "length"))
    length -= gc * (gc @ length) / (gc @ gc)
    noise = RNG.normal(size=(120, 30)) * 0.01
    return components_of(np.outer(gc, 10 * directions[0]) + np.outer(length, 3 * directions[1]) + noise)


def test_mev_is_the_share_of_variance_of_scikit_learn_s_first_component():
    vectors = RNG.normal(size=(50, 8)) * np.arange(1, 9)
    found = components_of(vectors.astype(np.float32), 4)
    expected = PCA().fit(vectors)
    assert found.mev == pytest.approx(expected.explained_variance_ratio_[0], rel=1e-5)
    np.testing.assert_allclose(found.variance_shares, expected.explained_variance_ratio_[:4], rtol=1e-5)
    # Not scaled: a variance is that of the scores.
    np.testing.assert_allclose(found.scores.var(0, ddof=1), expected.explained_variance_[:4], rtol=1e-5)


def test_mev_at_random_is_that_of_vectors_drawn_at_random():
    for shape in ((601, 256), (300, 768)):
        drawn = components_of(RNG.normal(size=shape), 1).mev
        assert mev_at_random(*shape) == pytest.approx(drawn, rel=0.05)


def test_a_component_that_is_gc_content_has_a_rho_of_1_with_it(properties):
    itself = Components(-2 * properties[[GC]].to_numpy() + 1, np.ones(1))
    line = best_component(correlations(itself, properties), GC)
    assert line["rho"] == pytest.approx(-1)


def test_vectors_made_of_gc_content_and_length_have_these_as_components(made_of_gc, properties):
    table = correlations(made_of_gc, properties)
    line = best_component(table, GC)
    assert line["component"] == 1
    # Tokens of one GC content are in an order of chance.
    assert abs(line["rho"]) > 0.98
    assert line["q"] < 1e-50
    assert best_property(table, 1)["property"] == GC
    assert best_property(table, 2)["property"] == "length"


def test_what_goes_with_gc_content_alone_goes_with_nothing_less_it(made_of_gc, properties):
    follows = properties.assign(follower=properties[GC] ** 2 + 0.02 * RNG.normal(size=120))
    for correction in ("loess", "linear"):
        table = correlations(made_of_gc, follows, correction=correction)
        of_first = table[(table["component"] == 1) & (table["property"] == "follower")].set_index("less_gc")["rho"]
        assert abs(of_first["none"]) > 0.95
        assert abs(of_first[correction]) < 0.3
        assert set(of_first.index) == {"none", correction}


def test_a_property_that_is_0_for_most_types_does_not_go_with_gc_content_less_it(made_of_gc, properties):
    rare = np.zeros(120)
    rare[RNG.choice(120, 15, replace=False)] = properties[GC].max() * RNG.random(15)
    table = correlations(made_of_gc, properties.assign(rare=rare))
    of_first = table[(table["component"] == 1) & (table["property"] == "rare")].set_index("less_gc")["rho"]
    assert abs(of_first["loess"]) < 0.35
    # Its residuals on GC content alone are those of the curve, for all the zeros.
    left = residuals(rare, properties[GC].to_numpy(), "loess")
    assert abs(spearmanr(left, made_of_gc.scores[:, 0]).statistic) > abs(of_first["loess"]) + 0.2


def test_a_loess_takes_a_curve_away_and_a_line_only_a_line():
    gc = np.linspace(0, 1, 200)
    curve, line = (gc - 0.5) ** 2, 3 * gc + 1
    assert np.abs(residuals(curve, gc, "loess")).max() < 1e-6
    assert np.abs(residuals(line, gc, "linear")).max() < 1e-9
    assert np.abs(residuals(curve, gc, "linear")).max() > 0.1


def test_q_is_p_corrected_for_all_tests_of_a_correction(made_of_gc, properties):
    table = correlations(made_of_gc, properties)
    for _, lines in table.groupby("less_gc"):
        # Benjamini and Hochberg: of the sorted p, p * m / rank, the smallest from there on.
        p = np.sort(lines["p"])
        expected = np.minimum.accumulate((p * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
        np.testing.assert_allclose(np.sort(lines["q"]), np.minimum(expected, 1))
    assert table["rho"].abs().max() > 0.9


def test_properties_that_do_not_vary_or_are_hardly_known_are_left_out_by_name(made_of_gc, properties):
    few = np.full(120, np.nan)
    few[:9] = np.arange(9)
    table = properties.assign(constant=0.5, few=few)
    assert uncorrelated(table) == ["constant", "few"]
    assert not {"constant", "few"} & set(correlations(made_of_gc, table)["property"])


def test_types_that_an_annotation_does_not_know_do_not_count(made_of_gc, properties):
    share = properties[GC].to_numpy().copy()
    share[:20] = np.nan
    line = best_component(correlations(made_of_gc, properties.assign(share=share)), "share")
    assert line["n"] == 100
    assert abs(line["rho"]) > 0.98


def test_properties_are_those_of_the_letters():
    found = token_properties(["AG", "CCAT"], np.array([7, 9]), np.array([10, 1_000])).own
    assert found.to_dict("list") == {
        "length": [2, 4], FREQUENCY: [1, 3], GC: [0.5, 0.5], "AG content": [1, 0.25], "AC content": [0.5, 0.75],
    }
    assert found.index.tolist() == [7, 9]


def write_annotation(folder, **changes):
    shares = {"Alu": np.linspace(0, 1, 120), "gene +": 0.3, "gene -": 0.1}
    columns = {"id": IDS, "token": TOKENS, "n": COUNTS, **shares}
    table = pd.DataFrame({**columns, **changes})
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), folder / "tokens.parquet")
    return folder


def test_an_annotation_is_read_by_id_and_its_strands_are_compared(tmp_path):
    some = np.array([3, 1])
    found = token_properties([TOKENS[row] for row in some], IDS[some], COUNTS[some], write_annotation(tmp_path))
    assert found.annotation.columns.tolist() == ["Alu", "gene +", "gene -", "gene (+ less -)"]
    np.testing.assert_allclose(found.annotation["Alu"], some / 119)
    np.testing.assert_allclose(found.annotation["gene (+ less -)"], 0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token": ["A"] * 120}, "says that the id 5 is A; in the model it is"),
        ({"Alu": np.arange(120.0)}, "the column Alu does not hold shares between 0 and 1"),
        ({"Alu": ["x"] * 120}, "the column Alu does not hold shares"),
        ({"id": [5] * 120}, "has the id 5 twice"),
    ],
)
def test_an_annotation_that_cannot_be_is_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        token_properties(TOKENS, IDS, COUNTS, write_annotation(tmp_path, **changes))


def test_no_annotation_is_an_error_and_so_is_one_without_ids(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        token_properties(TOKENS, IDS, COUNTS, tmp_path)
    pq.write_table(pa.table({"token": TOKENS}), tmp_path / "tokens.parquet")
    with pytest.raises(InputError, match="has no column id, n"):
        token_properties(TOKENS, IDS, COUNTS, tmp_path)


def test_clusters_by_construction_stay_together():
    group = RNG.permutation(np.repeat([0, 1, 2], 20))
    vectors = RNG.normal(size=(60, 5)) * 0.1 + 10 * np.eye(3, 5)[group]
    order = group[cluster_order(vectors)]
    assert np.count_nonzero(np.diff(order)) == 2
    # Complete linkage: the last two clusters are as far apart as their farthest members.
    farthest = max(np.linalg.norm(a - b) for a in vectors for b in vectors)
    assert cluster_tree(vectors)[-1, 2] == pytest.approx(farthest)


@pytest.mark.slow    # UMAP compiles for half a minute
def test_umap_keeps_clusters_apart_and_repeats_itself():
    group = np.repeat([0, 1], 20)
    vectors = (RNG.normal(size=(40, 5)) * 0.1 + 10 * np.eye(2, 5)[group]).astype(np.float32)
    places = umap_of(vectors, seed=3)
    middles = np.array([places[group == number].mean(0) for number in (0, 1)])
    nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(1)
    np.testing.assert_array_equal(nearest, group)
    np.testing.assert_array_equal(umap_of(vectors, seed=3), places)


def test_ranks_go_from_0_to_1_along_the_first_component():
    vectors = np.array([[0.0, 0], [5, 0], [1, 0]], np.float32)
    of = TokenVectors("static", None, ["A", "C", "G"], np.array([5, 6, 7]), np.ones(3, int), vectors)
    ranks = ranks_of_first(of, components_of(vectors))
    assert sorted(ranks.values()) == [0, 0.5, 1]
    assert ranks[7] == 0.5


def test_too_few_vectors_and_vectors_all_alike_have_no_components():
    with pytest.raises(InputError, match="2 token types"):
        components_of(np.eye(2))
    with pytest.raises(InputError, match="one and the same vector"):
        components_of(np.ones((5, 3)))
