import numpy as np
import pytest

from grover_hf.errors import InputError
from grover_hf.metrics.predictions import predictions_of, read_predictions, together, write_predictions


@pytest.fixture
def random_rows():
    """Return labels and probabilities of so many classes."""

    def make(n_classes, seed=0):
        rng = np.random.default_rng(seed)
        return rng.integers(0, n_classes, 50), rng.dirichlet(np.ones(n_classes), 50)

    return make


def test_the_likeliest_class_is_the_prediction(random_rows):
    labels, probabilities = random_rows(3)
    predictions = predictions_of(labels, probabilities)
    assert predictions.predicted.tolist() == [[row.tolist().index(max(row)) for row in probabilities]]
    assert predictions.labels.tolist() == labels.tolist()


@pytest.mark.parametrize(("n_classes", "kept"), [(2, True), (16, True), (17, False)])
def test_what_was_written_is_read_and_probabilities_of_many_classes_are_not_kept(
    random_rows, tmp_path, n_classes, kept
):
    labels, probabilities = random_rows(n_classes)
    written = predictions_of(labels, probabilities)
    write_predictions(tmp_path, written)
    read = read_predictions(tmp_path)
    np.testing.assert_array_equal(read.labels, labels)
    np.testing.assert_array_equal(read.predicted, written.predicted)
    if kept:
        np.testing.assert_allclose(read.probabilities, probabilities[None], rtol=1e-6)
    else:
        assert read.probabilities is None


@pytest.mark.parametrize("n_classes", [2, 17])
def test_several_trainings_stand_one_after_another(random_rows, n_classes):
    labels, _ = random_rows(n_classes)
    each = [random_rows(n_classes, seed)[1] for seed in range(3)]
    joined = together([predictions_of(labels, probabilities) for probabilities in each])
    assert joined.predicted.shape == (3, 50)
    for number, probabilities in enumerate(each):
        np.testing.assert_array_equal(joined.predicted[number], probabilities.argmax(1))
        if joined.probabilities is not None:
            np.testing.assert_allclose(joined.probabilities[number], probabilities, rtol=1e-6)
    assert (joined.probabilities is None) == (n_classes == 17)


def test_a_missing_and_a_damaged_file_are_refused(random_rows, tmp_path):
    with pytest.raises(InputError, match=r"has no predictions.npz; fine-tuning and baselines write it"):
        read_predictions(tmp_path)
    write_predictions(tmp_path, predictions_of(*random_rows(2)), "0.npz")
    whole = (tmp_path / "0.npz").read_bytes()
    for content in (whole[:-30], b"", b"nonsense"):
        (tmp_path / "0.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"0.npz is damaged"):
            read_predictions(tmp_path, "0.npz")
    np.savez(tmp_path / "0.npz", labels=np.zeros(2))
    with pytest.raises(InputError, match=r"0.npz is damaged: .*predicted"):
        read_predictions(tmp_path, "0.npz")


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        ([0, 1], [[0, -1]], "classes are integers, 0 or more"), ([0.5, 1.0], [[0, 1]], "classes are integers"),
        ([0, 1], [0, 1], r"the shapes \(2,\) and \(2,\)"),
        ([0, 1], [[0, 1, 1]], r"the shapes \(2,\) and \(1, 3\)"),
    ],
)
def test_classes_that_cannot_be_are_refused(tmp_path, labels, predicted, message):
    np.savez(tmp_path / "predictions.npz", labels=labels, predicted=predicted)
    with pytest.raises(InputError, match=message):
        read_predictions(tmp_path)


def test_pickled_predictions_are_not_opened(tmp_path):
    np.savez(tmp_path / "predictions.npz", labels=np.array([{}]), predicted=np.zeros((1, 1)))
    with pytest.raises(InputError, match=r"predictions.npz is damaged"):
        read_predictions(tmp_path)
