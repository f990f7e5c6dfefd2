"""Regression on several aspects: numbers by hand, missing labels, and a head that learns."""

import math

import pytest
import torch
from torch import nn

from guerdon.objectives import AspectRegression

TWO = AspectRegression(("polite", "safe"))
NAN = math.nan


def loss(predicted, labels, part=TWO):
    given = torch.tensor(predicted, requires_grad=True)
    made = part(given, torch.tensor(labels))
    made.value.backward()
    return made, given.grad.tolist()


def test_a_missing_label_counts_nowhere():
    """(.5, .5) against (1, missing): .25; the gradient 2 (.5 - 1) of the one that is known."""
    made, slope = loss([[0.5, 0.5]], [[1.0, NAN]])
    assert made.value.item() == pytest.approx(0.25)
    assert slope == [[pytest.approx(-1.0), 0.0]]
    assert made.metrics == {"mse/polite": pytest.approx(0.25), "mae/polite": pytest.approx(0.5)}


def test_weights_and_figures_by_hand():
    """Errors .1, .3 | .2, .4: (3 (.01 + .09) + .04 + .16) / 8 = .0625."""
    part = AspectRegression(("a", "b"), weights=(3.0, 1.0))
    made, _ = loss([[0.1, 0.2], [0.3, 0.6]], [[0.0, 0.0], [0.0, 1.0]], part)
    assert made.value.item() == pytest.approx(0.0625)
    assert made.metrics["mse/a"] == pytest.approx(0.05)
    assert made.metrics["mae/b"] == pytest.approx(0.3)
    assert made.metrics["pearson/b"] == pytest.approx(1.0)
    assert "pearson/a" not in made.metrics  # its labels are all the same
    falling, _ = loss([[0.1, 0.6], [0.3, 0.2]], [[0.0, 0.0], [1.0, 1.0]])
    assert falling.metrics["pearson/safe"] == pytest.approx(-1.0)


@pytest.mark.parametrize("labels", [[[NAN, NAN]], [[math.inf, NAN]]])
def test_nothing_known_teaches_nothing(labels):
    made, slope = loss([[0.5, 0.5]], labels)
    assert made.value.item() == 0.0
    assert slope == [[0.0, 0.0]]
    assert made.metrics == {}
    assert TWO(torch.zeros(0, 2), torch.zeros(0, 2)).value.item() == 0.0
    unweighted, _ = loss([[0.5, 0.5]], [[1.0, 1.0]], AspectRegression(("a", "b"), (0.0, 0.0)))
    assert unweighted.value.item() == 0.0


def test_bounded_heads_learn_aspects_of_which_half_the_labels_are_missing():
    torch.manual_seed(0)
    x, true = torch.randn(400, 3), torch.tensor([[2.0, 0, 0], [0, -1.0, 1.0]])
    labels = torch.where(torch.rand(400, 2) < 0.5, (x @ true.T).sigmoid(), NAN)
    head = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid())
    optimiser = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        made = TWO(head(x), labels)
        made.value.backward()
        optimiser.step()
    assert made.value.item() < 1e-3
    assert min(made.metrics["pearson/polite"], made.metrics["pearson/safe"]) > 0.99


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"\(1, 3\).*for the 2 aspects polite, safe"):
        TWO(torch.zeros(1, 3), torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"\(1, 2\) and labels of shape \(2, 2\)"):
        TWO(torch.zeros(1, 2), torch.zeros(2, 2))
    for names, weights in (((), ()), (("a",), (1.0, 2.0))):
        with pytest.raises(ValueError, match="AspectRegression has"):
            AspectRegression(names, weights)
    with pytest.raises(ValueError, match="weights"):
        AspectRegression(("a",), (-1.0,))
