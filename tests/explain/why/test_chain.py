"""The budget: factors telescope exactly, and each is split by its cause."""

import math

import numpy as np
import pytest

import backlight as bl
from backlight import nn
from backlight.explain import circuit
from backlight.explain.why import why
from backlight.explain.why.chain import budget
from backlight.explain.why.examples import batch_of
from backlight.explain.why.region import Region, norm
from tests.explain.why.network import convnet, loss_of, perceptron, region, rows


def checked(account, gradient):
    assert account.end == pytest.approx(norm(gradient), rel=1e-12)
    product = account.start * math.prod(link.factor for link in account.links)
    assert product == pytest.approx(account.end, rel=1e-9)
    for link in account.links:
        causes = math.prod(cause.factor for cause in link.causes)
        assert causes == pytest.approx(link.factor, rel=1e-9)
    whole = math.prod(account.by_cause().values())
    assert account.start * whole == pytest.approx(account.end, rel=1e-6)


@pytest.mark.parametrize("layer", [0, 3, 6])
@pytest.mark.parametrize("part", ["weight", "bias"])
def test_factors_multiply_to_the_whole(layer, part):
    model = convnet()
    loss = loss_of(model, rows(4, 1, 8, 8))
    parameter = getattr(model[layer], part)
    seen = region(loss, parameter)
    account = budget(seen, batch_of(seen))
    loss.backward()
    checked(account, parameter.grad.numpy())
    assert account.links[0].node == seen.circuit.output
    assert account.links[-1].source == seen.target
    assert "cancellation" in account.by_cause()


def test_causes_by_gate():
    model = perceptron(nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5))
    loss = loss_of(model, rows(8, 4))
    seen = region(loss, model[0].weight)
    account = budget(seen, 8)
    names = {
        seen.node(link.node).gate.name: {cause.name for cause in link.causes}
        for link in account.links
    }
    assert names["relu"] == {"closed"}
    assert names["dropout"] == {"dropout"}
    assert names["batch_norm"] == {"normalisation"}
    assert names["cross_entropy"] == {"loss"}
    checked(account, seen.gradient)


def test_a_deep_stack_of_sigmoids_is_told_from_its_weights():
    bl.manual_seed(0)
    layers = [layer for _ in range(12) for layer in (nn.Linear(8, 8), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(8, 3)).double()
    loss = loss_of(model, rows(8, 8))
    account = budget(region(loss, model[0].weight), 8)
    causes = account.by_cause()
    assert 0.15**12 < causes["slope"] < 0.25**12 * 1.0001
    assert account.end < 1e-9


def test_joining_paths_count():
    account = budget(Region(circuit("x*y + x", x=2, y=3), 0))
    assert account.end == 4
    assert account.by_cause() == pytest.approx({"weights": 3, "fork": 4 / 3})
    gone = budget(Region(circuit("x*y - x", x=2, y=1), 0))
    assert gone.end == 0


def test_clipping_is_the_last_link():
    model = perceptron(nn.ReLU())
    loss = loss_of(model, rows(8, 4))
    seen = region(loss, model[0].weight)
    plain, clipped = budget(seen, 8), budget(seen, 8, clip=1e-3)
    loss.backward()
    whole = norm(np.array([norm(p.grad.numpy()) for p in model.parameters()]))
    assert clipped.end == pytest.approx(plain.end * 1e-3 / whole)
    assert clipped.by_cause()["clip"] == pytest.approx(1e-3 / whole)
    assert budget(seen, 8, clip=1e6).end == plain.end


def test_weights_that_are_used_at_every_step():
    """Of a recurrent network, most steps hand something; the first, whose state is 0, nothing."""
    bl.manual_seed(0)
    recurrent, head = nn.LSTM(3, 5).double(), nn.Linear(5, 3).double()
    loss = nn.CrossEntropyLoss()(head(recurrent(rows(6, 4, 3))[0][-1]), bl.tensor([0, 1, 2, 0]))
    for parameter in recurrent.parameters():
        seen = region(loss, parameter)
        checked(budget(seen, 4), seen.gradient)


def test_one_number_is_the_last_factor():
    model = convnet()
    loss = loss_of(model, rows(4, 1, 8, 8))
    seen = region(loss, model[0].weight)
    whole, one = budget(seen, 4), budget(seen, 4, place=(1, 0, 1, 1))
    assert one.links[:-1] == whole.links
    assert one.end == pytest.approx(abs(float(seen.gradient[1, 0, 1, 1])))
    assert one.by_cause()["entry"] == pytest.approx(one.end / whole.end)
    assert "one number of it" in why(loss, model[0].weight, (1, 0, 1, 1)).in_words("en")
    single = Region(circuit("x*y", x=2, y=3), 0)
    assert "entry" not in budget(single, place=()).by_cause()


def test_a_sum_over_what_was_stretched_is_split():
    """Of a broadcast number: what its terms bring, and what of that cancels."""
    terms = np.array([1.0, -1.0, 2.0])
    account = budget(Region(circuit("sum(x*y)", x=1.0, y=terms), 0))
    causes = account.by_cause()
    assert causes["weights"] == pytest.approx(np.abs(terms).sum() / math.sqrt(3))
    assert causes["summing"] == pytest.approx(0.5)
    assert account.end == pytest.approx(2)


def test_the_vectors_of_a_formula_are_no_examples():
    reason = why("sum(relu(x*y))", "x", x=1.0, y=np.array([1.0, -1.0, 2.0]))
    assert reason.pushes is None
    assert "example" not in reason.in_words("en")


def test_a_choice_between_inputs_is_routing():
    drawn = circuit("sum(maximum(x, y))", x=np.array([1.0, 5.0]), y=np.array([2.0, 3.0]))
    causes = budget(Region(drawn, drawn.find("x").index)).by_cause()
    assert "closed" not in causes
    assert causes["routing"] == pytest.approx(1 / math.sqrt(2))
