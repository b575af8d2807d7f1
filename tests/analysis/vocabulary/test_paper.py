import pytest

from grover_hf.analysis.vocabulary.paper import PaperNumber


@pytest.mark.parametrize(
    ("number", "ours", "agrees"),
    [
        (PaperNumber(601), 601, True), (PaperNumber(601), 602, False),
        (PaperNumber(0.63, is_share=True), 10 / 16, True), (PaperNumber(0.63, is_share=True), 9 / 16, False),
        # 32 % of 256 are 81 to 83 types.
        *((PaperNumber(0.32, is_share=True), n / 256, 81 <= n <= 83) for n in range(79, 86)),
        (PaperNumber(82, about=1), 81, True), (PaperNumber(82, about=1), 84, False),
        (PaperNumber(4.07, n_decimals=2), 4.0749, True), (PaperNumber(4.07, n_decimals=2), 4.0751, False),
        (PaperNumber(400_000, about=100_000), 500_000, True),
        (PaperNumber(400_000, about=100_000), 500_001, False),
    ],
)
def test_a_number_agrees_if_it_is_the_same_as_the_paper_rounds_it(number, ours, agrees):
    assert number.agrees(ours) is agrees


@pytest.mark.parametrize(
    ("number", "text"),
    [(PaperNumber(601), "601"), (PaperNumber(0.63, is_share=True), "63 %"), (PaperNumber(82, about=1), "~82"),
     (PaperNumber(4.07, n_decimals=2), "4.07"), (PaperNumber(400_000, about=100_000), "~400,000")],
)
def test_a_number_is_printed_as_the_paper_prints_it(number, text):
    assert number.text() == text
