import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from s2nn_hw.cli.training import train_recipe
from s2nn_hw.errors import UserError
from s2nn_hw.quantize import train as training
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.data.augment import augment
from s2nn_hw.quantize.loss import activity, rate
from s2nn_hw.quantize.model import build, encode, evaluate
from s2nn_hw.quantize.recipe import as_dict, from_dict, load_recipe
from s2nn_hw.quantize.settings import Augment
from s2nn_hw.quantize.teacher import distil
from s2nn_hw.quantize.train import settle, train

ROOT = Path(__file__).parents[2]
TINY = {
    "name": "tiny",
    "data": {"set": "mnist", "pixel_bits": 2},
    "layers": [{"neurons": 24, "bits": 2}, {"neurons": 16, "bits": 3}],
    "readout": {"bits": 4},
    "training": {"epochs": 3, "batch": 25, "learning_rate": 5e-3, "seed": 3},
    "augment": {"shift_pixels": 1, "elastic_pixels": 0.5},
}


def tiny(**sections):
    """The tiny recipe with sections changed, e.g. ``training={"epochs": 1}``."""
    return from_dict(
        {key: value | sections.get(key, {}) if isinstance(value, dict) else value for key, value in TINY.items()}
        | {k: v for k, v in sections.items() if k not in TINY}
    )


@pytest.fixture(autouse=True)
def sample_data(monkeypatch):
    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))


@pytest.fixture
def silent():
    import io

    from rich.console import Console

    return Console(file=io.StringIO())


def weights(path):
    from safetensors.torch import load_file

    return load_file(path)


# recipes


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*.toml")), ids=lambda p: p.name)
def test_shipped_recipes_are_valid_and_survive_a_round_trip(path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert from_dict(json.loads(json.dumps(as_dict(recipe)))) == recipe


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": {"set": "cifar"}}, "'data.set' must be one of mnist"),
        ({"data": {"pixel_bits": 17}}, r"'data.pixel_bits' must be one of 1, 2, .*, 16, not 17"),
        ({"training": {"epochs": 0}}, "'training.epochs' must lie in 1"),
        ({"training": {"epochs": 1.5}}, "'training.epochs' must be an integer"),
        ({"training": {"epochs": True}}, "'training.epochs' must be an integer"),
        ({"training": {"learning_rate": "fast"}}, "'training.learning_rate' must be a number"),
        ({"training": {"learning_rate": float("nan")}}, "'training.learning_rate' must lie in"),
        ({"training": {"rate": 1}}, "'training.rate' is unknown"),
        ({"augment": {"flip": 1}}, "'augment.flip' must be true or false"),
        ({"neuron": {"surrogate": "relu"}}, "'neuron.surrogate' must be one of s2nn"),
        ({"penalty": 3}, "'penalty' must be a table"),
    ],
)
def test_bad_keys_are_named(change, words):
    with pytest.raises(UserError, match=words):
        tiny(**change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": []}, "'layers' must hold"),
        ({"layers": 256}, "'layers' must be a list"),
        ({"layers": [{"neurons": 4, "bits": 9}]}, r"'layers\[0\].bits' must lie in 1 .. 8"),
        ({"layers": [{"neurons": 4}]}, "layer hidden1: key 'bits' is missing for kind 'dense'"),
        ({"name": "a b"}, "'name' must be at most 64 letters"),
        ({"layer": 1}, "'layer' is unknown"),
    ],
)
def test_bad_shapes_are_named(change, words):
    with pytest.raises(UserError, match=words):
        from_dict(TINY | change)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name = ", "is not TOML"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"", "keys 'data', 'layers', 'readout', 'training' are missing"),
    ],
)
def test_bad_files_are_named(tmp_path, content, words):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        load_recipe(path)
    assert "bad.toml" in str(error.value)
    with pytest.raises(UserError, match="does not exist"):
        load_recipe(tmp_path / "none.toml")


# the parts of an epoch


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_encoding_is_the_network_s(bits):
    from s2nn_hw.network.layer import Input

    images = sets.samples("mnist")[0]
    ours = encode(torch.tensor(images), bits)
    assert torch.equal(ours, torch.tensor((images.reshape(300, -1) >> (8 - bits)).astype("float32")))
    assert ours.max() == Input((28, 28), bits).peak


@pytest.mark.parametrize(("schedule", "middle"), [("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)])
def test_schedule_warms_up_and_decays(schedule, middle):
    options = tiny(training={"schedule": schedule, "epochs": 12, "warmup_epochs": 2, "learning_rate": 1.0}).training
    assert rate(options, 0) == 0
    assert rate(options, 1) == 0.5
    assert rate(options, 2) == 1
    assert rate(options, 7) == pytest.approx(middle)
    assert rate(options, 12) == pytest.approx(0 if schedule != "constant" else 1)


def test_augmentation_is_seeded_keeps_shape_and_is_off_by_default():
    images = torch.tensor(sets.samples("mnist")[0][:50])
    options = Augment(shift_pixels=2.0, rotate_degrees=10.0, scale=0.1, shear=0.1, elastic_pixels=1.0, flip=True)
    first, again, other = (augment(images, options, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert (first.shape, first.dtype) == (images.shape, torch.uint8)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, images)
    assert torch.equal(augment(images, Augment(), torch.Generator()), images)
    assert torch.equal(augment(images, dataclasses.replace(options, clean=1.0), torch.Generator()), images)
    # digits stay digits: about as much ink as before
    assert first.float().mean().item() == pytest.approx(images.float().mean().item(), rel=0.1)


def test_whole_pixel_shift_moves_the_image():
    images = torch.zeros(200, 9, 9, dtype=torch.uint8)
    images[:, 4, 4] = 200
    moved = augment(images, Augment(shift_pixels=2.0), torch.Generator().manual_seed(0)).float()
    centre = (moved.sum(1) * torch.arange(9)).sum(1) / moved.sum((1, 2)) - 4
    assert 1.8 < centre.abs().max() <= 2.05
    assert abs(centre.mean()) < 0.3


def test_activity_counts_spikes_by_fan_out_or_once():
    model = build(tiny())
    trace = {"hidden1": torch.ones(5, 24), "hidden2": torch.zeros(5, 16)}
    assert activity(model, trace, "spikes").item() == pytest.approx(24 / 40)
    assert activity(model, trace, "synaptic_operations").item() == pytest.approx(24 * 16 / (24 * 16 + 16 * 10))


def test_distillation_mixes_hard_and_soft_labels():
    scores = torch.tensor([[1.0, 2.0, 3.0]])
    options = tiny(teacher={"weight": 0.25, "temperature": 2.0}).teacher
    mixed = distil(torch.tensor(4.0), scores, scores, options)
    p = torch.softmax(scores / 2, dim=1)
    assert mixed.item() == pytest.approx(3 + 0.25 * 4 * -(p * p.log()).sum().item(), rel=1e-5)


def test_settling_gives_batch_norms_the_statistics_of_the_training_images():
    images, options = torch.tensor(sets.samples("mnist")[0]), tiny(augment={"shift_pixels": 0, "elastic_pixels": 0})
    model = build(options)
    settle(model, images, options)
    with torch.no_grad():
        levels, scale = model.hidden[0].linear.levels()
        product = encode(images, 2) @ levels.T * scale.T
    norm = model.hidden[0].norm
    torch.testing.assert_close(norm.running_mean, product.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.running_var, product.var(0), rtol=1e-4, atol=1e-4)


# whole runs


def test_training_learns_and_writes_checkpoint_and_log(tmp_path, silent):
    recipe = tiny(training={"epochs": 12})
    path = train(recipe, tmp_path / "run", console=silent)
    log = json.loads((tmp_path / "run" / "tiny.log.json").read_text())
    assert sorted(p.name for p in path.parent.iterdir()) == ["state.pt", "tiny.log.json", "tiny.safetensors"]
    assert log["recipe"] == json.loads(json.dumps(as_dict(recipe)))
    assert [e["epoch"] for e in log["epochs"]] == list(range(1, 13))
    assert log["epochs"][-1]["loss"] < 0.6 * log["epochs"][0]["loss"]
    assert log["test"]["accuracy"] > 0.75
    assert log["test"]["images"] == 300
    assert all(0 < r < 1 for r in log["test"]["spike_rates"])


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path, silent, monkeypatch):
    recipe = tiny()
    whole = weights(train(recipe, tmp_path / "whole", console=silent))
    real = training.train_epoch

    def stopped(*args, **options):
        if args[5] == 1:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(training, "train_epoch", stopped)
    with pytest.raises(UserError, match="interrupted after epoch 1 of 3; the same command goes on"):
        train(recipe, tmp_path / "parts", console=silent)
    assert [p.name for p in (tmp_path / "parts").iterdir()] == ["state.pt"]
    monkeypatch.setattr(training, "train_epoch", real)
    parts = weights(train(recipe, tmp_path / "parts", console=silent))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    # a finished run isn't repeated
    monkeypatch.setattr(training, "train_epoch", None)
    train(recipe, tmp_path / "parts", console=silent)


def test_state_of_another_recipe_or_damaged_state_is_refused_unless_fresh(tmp_path, silent):
    train(tiny(training={"epochs": 1}), tmp_path, console=silent)
    other = tiny(training={"epochs": 1, "seed": 4}, augment={"shift_pixels": 0})
    with pytest.raises(UserError, match="another recipe, differing in 'training' and 'augment'"):
        train(other, tmp_path, console=silent)
    train(other, tmp_path, fresh=True, console=silent)
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:1000])
    with pytest.raises(UserError, match="can't be read"):
        train(other, tmp_path, console=silent)


def test_a_pickle_in_place_of_the_state_is_not_run(tmp_path, silent):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "state.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UserError, match="can't be read"):
        train(tiny(), tmp_path, console=silent)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("measure", ["spikes", "synaptic_operations"])
def test_the_penalty_makes_spikes_fewer(measure):
    images, labels = (torch.tensor(a) for a in sets.samples("mnist"))
    counts = []
    for weight in (0.0, 20.0):
        recipe = tiny(training={"epochs": 3}, penalty={"measure": measure, "weight": weight})
        model = build(recipe)
        optimiser = training.make_optimiser(model, recipe.training)
        for epoch in range(3):
            training.train_epoch(model, optimiser, images, labels.long(), recipe, epoch)
        ones = evaluate(model, images, labels, 2)[1]
        counts.append(sum(ones[node.name].sum() for node in model.nodes[:-1]))
    assert counts[1] < 0.7 * counts[0]


def test_held_out_images_are_not_trained_on(silent, tmp_path):
    parts = training._split(tiny(data={"validation": 100}), torch.device("cpu"))
    assert [len(images) for images, _ in (parts.train, parts.check, parts.test)] == [200, 100, 300]


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_teacher_and_float_weights_run_and_resume(tmp_path, silent, optimiser):
    recipe = tiny(
        training={"epochs": 1, "fake_quantise": False, "optimiser": optimiser, "label_smoothing": 0.1},
        teacher={"weight": 0.5, "neurons": 32, "epochs": 1},
    )
    train(recipe, tmp_path, console=silent)
    (tmp_path / "tiny.safetensors").unlink()
    train(recipe, tmp_path, console=silent)
    (tmp_path / "tiny.safetensors").unlink()
    (tmp_path / "teacher.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="does not hold this recipe's teacher"):
        train(recipe, tmp_path, console=silent)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, silent):
    (tmp_path / "run").write_bytes(b"")
    for folder in ("run", "run/below"):
        with pytest.raises(UserError, match="a file is in the way"):
            train(tiny(), tmp_path / folder, console=silent)


def test_a_loss_that_explodes_names_the_key(tmp_path, silent, monkeypatch):
    monkeypatch.setattr(training, "train_epoch", lambda *args, **options: float("nan"))
    with pytest.raises(UserError, match=r"training\.learning_rate"):
        train(tiny(), tmp_path, console=silent)


def test_command_reports_accuracy_and_spikes(tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text(
        'name = "tiny"\ndata = {set = "mnist", pixel_bits = 1}\nlayers = [{neurons = 8, bits = 2}]\n'
        "readout = {bits = 4}\ntraining = {epochs = 50}\n"
    )
    train_recipe(path, tmp_path / "run", epochs=1)
    said = capsys.readouterr().out
    assert "hidden1: " in said
    assert "300 test images" in said
    assert json.loads((tmp_path / "run" / "tiny.log.json").read_text())["recipe"]["training"]["epochs"] == 1


def test_command_line_refuses_a_bad_recipe_in_one_line(tmp_path):
    (tmp_path / "bad.toml").write_text("epochs = 3\n")
    done = subprocess.run(
        [sys.executable, "-c", "from s2nn_hw.cli.main import main; main()", "train", "bad.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: recipe bad.toml: key 'epochs' is unknown")
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["bad.toml"]
