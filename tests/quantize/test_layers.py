import pytest
import torch

from s2nn_hw.network.synapses import weight_limit
from s2nn_hw.quantize.graph import Tap
from s2nn_hw.quantize.layers import Synapse, weight_levels, weight_scale
from s2nn_hw.quantize.model import build
from s2nn_hw.quantize.recipe import from_dict


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("shared", [False, True])
def test_levels_are_integers_in_range_with_the_signs_of_the_weights(bits, shared):
    weight = torch.randn(16, 400, generator=torch.Generator().manual_seed(bits))
    scale = weight_scale(weight, bits, shared=shared)
    levels = weight_levels(weight, scale, bits)
    assert scale.shape == ((1, 1) if shared else (16, 1))
    assert torch.equal(levels, levels.round())
    assert 0.6 * weight_limit(bits) < levels.abs().max() <= weight_limit(bits)
    assert (levels != 0).all() or bits > 1
    assert torch.equal(levels.sign() * weight.sign(), levels.sign().abs())


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_scale_is_near_the_least_squared_error(bits):
    weight = torch.randn(1, 20_000, generator=torch.Generator().manual_seed(0))
    scale = weight_scale(weight, bits)

    def error(s):
        return ((weight_levels(weight, s, bits) * s - weight) ** 2).mean().item()

    best = min(error(scale * f) for f in torch.linspace(0.3, 3, 100))
    assert error(scale) < 1.25 * best


def test_zero_rows_keep_a_positive_scale():
    assert weight_scale(torch.zeros(3, 5), 4).tolist() == [[1], [1], [1]]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_gradient_passes_straight_through_inside_the_clip_and_stops_outside(bits):
    scale = torch.tensor([[0.5]])
    weight = torch.tensor([[0.1, -0.2, 100.0]], requires_grad=True)
    weight_levels(weight, scale, bits).sum().backward()
    assert weight.grad.tolist() == [[2, 2, 0]]


def dense(inputs, neurons, bits, **options):
    return Synapse(Tap("input", "dense", (inputs,), neurons, bits), **options)


def test_fake_quantised_product_is_the_integer_product_times_the_scale():
    torch.manual_seed(0)
    synapse, pixels = dense(30, 7, 3), torch.randint(0, 4, (5, 30)).float()
    levels, scale = synapse.levels()
    assert torch.equal(levels, (synapse.weight / scale).round().clamp(-3, 3))
    assert torch.equal(synapse.product(pixels, levels), pixels @ levels.T)


@pytest.mark.parametrize("quantised", [True, False])
def test_network_gives_scores_binary_spikes_and_gradients_everywhere(quantised):
    model = build(
        from_dict(
            {
                "name": "two",
                "data": {"set": "mnist", "pixel_bits": 4},
                "readout": {"bits": 4},
                "layers": [{"neurons": 13, "bits": 2}, {"neurons": 1, "bits": 1}],
                "training": {"epochs": 1, "fake_quantise": quantised},
            }
        )
    )
    scores, spikes = model.trace(torch.randint(0, 16, (8, 784)).float())
    assert scores.shape == (8, 10)
    assert {name: s.shape for name, s in spikes.items()} == {"hidden1": (8, 13), "hidden2": (8, 1)}
    assert all(set(s.unique().tolist()) <= {0.0, 1.0} for s in spikes.values())
    assert model.loads() == [("hidden1", 13, 1), ("hidden2", 1, 10)]
    scores.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
