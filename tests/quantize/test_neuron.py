import math

import pytest
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.quantize import settings
from s2nn_hw.quantize.neuron import SURROGATES, Neuron, Surrogate

X = torch.linspace(-6, 6, 2401, dtype=torch.float64)  # holds 0 and -1 exactly enough to hit both branches


def gradient(surrogate, x):
    x = x.clone().requires_grad_()
    surrogate(x).sum().backward()
    return x.grad


def test_recipes_know_all_surrogates():
    assert tuple(SURROGATES) == settings.SURROGATES


@pytest.mark.parametrize("name", SURROGATES)
def test_forward_is_the_heaviside_step_with_one_at_zero(name):
    x = torch.tensor([-1e30, -1.0, -1e-30, -0.0, 0.0, 1e-30, 2.0])
    assert Surrogate(name)(x).tolist() == [0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(("alpha", "beta"), [(4.0, 1.0), (2.0, 3.0), (0.5, 0.1)])
def test_s2nn_gradient_equals_the_closed_form(alpha, beta):
    def closed(x):
        if x >= 0:
            return beta / (x + 1)
        s = 1 / (1 + math.exp(-alpha * x))
        return alpha * s * (1 - s)

    wanted = torch.tensor([closed(x) for x in X.tolist()], dtype=torch.float64)
    torch.testing.assert_close(gradient(Surrogate("s2nn", alpha, beta), X), wanted)


def test_s2nn_gradient_is_finite_at_minus_one_and_continuous_at_zero_when_beta_is_a_quarter_of_alpha():
    at = torch.tensor([-1.0, -1e-9, 0.0], dtype=torch.float64)
    slope = gradient(Surrogate("s2nn", 4.0, 1.0), at)
    assert slope.isfinite().all()
    assert slope[1].item() == pytest.approx(slope[2].item(), abs=1e-6)


def test_s2nn_gradient_equals_spikingjelly():
    # installs without its dependencies (pip install --no-deps spikingjelly); the closed form above needs nothing
    theirs = pytest.importorskip("spikingjelly.activation_based.surrogate").S2NN(alpha=4.0, beta=1.0)
    torch.testing.assert_close(gradient(Surrogate(), X), gradient(theirs, X))
    assert torch.equal(Surrogate()(X), theirs(X))


@pytest.mark.parametrize("name", ["sigmoid", "atan", "rectangular", "triangular"])
def test_symmetric_surrogates_have_unit_area(name):
    wide = torch.linspace(-200, 200, 800_001, dtype=torch.float64)
    assert torch.trapezoid(gradient(Surrogate(name), wide), wide).item() == pytest.approx(1, abs=2e-2)


def test_straight_through_passes_the_gradient_inside_its_window_only():
    at = torch.tensor([-1.01, -0.99, 0.0, 0.99, 1.01])
    assert gradient(Surrogate("straight_through"), at).tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("threshold", [0.25, 1.0, 3.0])
def test_threshold_shifts_the_step_and_scales_the_gradient(threshold):
    u = torch.tensor([0.5, 0.999, 1.0, 1.5]).mul(threshold).requires_grad_()
    spikes = Neuron(Surrogate(), threshold)(u)
    assert spikes.tolist() == [0, 0, 1, 1]
    spikes.sum().backward()
    torch.testing.assert_close(u.grad, Surrogate().derivative(u.detach() / threshold - 1) / threshold)


@pytest.mark.parametrize(
    "options", [{"name": "step"}, {"alpha": 0}, {"beta": -1.0}, {"alpha": math.inf}, {"alpha": "4"}]
)
def test_bad_options_are_user_errors(options):
    with pytest.raises(UserError, match="surrogate"):
        Surrogate(**options)


def test_bad_threshold_is_a_user_error():
    with pytest.raises(UserError, match="threshold"):
        Neuron(threshold=float("nan"))
