"""An ordinary module of torch as operations: traced once, and what it computes on inputs, step by step.

Tracing is :mod:`torch.fx`'s: the module's ``forward`` runs with stand-ins for tensors, so it may call modules and
functions, but not decide on values. Shapes are those of an example. Steps of a network with a state are either calls of
the whole module, or those of a loop in its ``forward``, whose first step is read, and :mod:`.torch_steps` says which.
"""

import copy
import operator
import re
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers import torch_functions, torch_modules, torch_neurons
from s2nn_hw.quantize.importers.assemble import unsupported
from s2nn_hw.quantize.importers.operations import ENTERING, Kind, Operation, Shape, Sum
from s2nn_hw.quantize.importers.torch_in_place import check_in_place
from s2nn_hw.quantize.importers.torch_input import Views, keeps_order
from s2nn_hw.quantize.importers.torch_steps import Steps, steps_of


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether ``m`` is an operation of its own, not looked into."""
        return torch_neurons.known(m) or super().is_leaf_module(m, module_qualified_name)


@dataclass(frozen=True)
class Traced:
    """The ``graph`` of a copy of a module; ``operations`` that it stands for, ``output``: the value with the scores.

    ``image``: the shape of an input, see :meth:`.Views.image`; ``steps``: of a sample, in calls of the graph or inside
    it.
    """

    graph: fx.GraphModule
    operations: tuple[Operation, ...]
    output: str
    image: Shape
    steps: Steps


def trace(module: nn.Module, example: Tensor, *, steps: int = 1) -> Traced:
    """Return what ``module`` computes of ``example`` ``(count, *shape)``; ``steps``: of a sample, a call each.

    :class:`UserError` lists what has no form here, each with its path in the module.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise UserError("a scripted module can't be traced: give the one that it was made of")
    module = _copied(unwrapped(module)).eval()
    torch_neurons.step_by_step(module)
    torch_neurons.reset(module)
    graph = _graph(module)
    try:
        check_in_place(graph, example)
        torch_neurons.reset(graph)
        graph.graph.eliminate_dead_code()  # what reaches no score wants no form
        graph.recompile()
        with torch.no_grad():
            ShapeProp(graph).propagate(example.clone())
    except UserError:
        raise
    except Exception as error:  # whatever the owner's layers raise
        raise UserError(
            f"{type(module).__name__} does not take inputs of {tuple(example.shape)}: {_line(error)}"
        ) from None
    torch_neurons.reset(graph)
    return _read(graph, example, steps_of(graph, steps))


def _copied(module: nn.Module) -> nn.Module:
    """Return a copy of ``module``, of tensors that hang on a graph of gradients, as membranes after training do, the
    numbers alone."""
    memo: dict[int, Any] = {}
    waiting, seen = [vars(part) for part in module.modules()], set[int]()
    while waiting:
        now: Any = waiting.pop()
        if id(now) in seen:
            continue
        seen.add(id(now))
        if isinstance(now, Tensor) and not now.is_leaf:
            memo[id(now)] = now.detach().clone()
        elif isinstance(now, dict):
            waiting += now.values()
        elif isinstance(now, list | tuple | set):
            waiting += now
    try:
        return copy.deepcopy(module, memo)
    except Exception as error:  # whatever the owner's attributes raise
        raise UserError(f"{type(module).__name__} can't be copied, which tracing wants: {_line(error)}") from None


def unwrapped(module: nn.Module) -> nn.Module:
    """Return what ``DataParallel``, ``DistributedDataParallel`` or ``torch.compile`` has wrapped, or ``module``."""
    for name in ("_orig_mod", "module"):
        inner = getattr(module, name, None)
        if type(module).__module__.startswith("torch.") and isinstance(inner, nn.Module):
            return unwrapped(inner)
    return module


def _graph(module: nn.Module) -> fx.GraphModule:
    tracer, name = _Tracer(), type(module).__name__
    if tracer.is_leaf_module(module, name):
        module = nn.Sequential(module)
    try:
        graph = tracer.trace(module)
    except (fx.proxy.TraceError, TypeError, NameError) as error:
        raise UserError(
            f"{name} can't be traced: {_line(error)}; its forward must not decide on values of "
            "tensors (if, for, len of them): leave that out of the module, or put it into one without"
        ) from None
    return fx.GraphModule(tracer.root, graph)


def _line(error: Exception) -> str:
    return " ".join(str(error).partition("While executing")[0].split())[:200]  # what fx adds


@dataclass
class _Reading:
    graph: fx.GraphModule
    steps: Steps
    example: Tensor
    views: Views
    found: list[Operation] = field(default_factory=list)
    names: dict[fx.Node, str] = field(default_factory=dict)  # the value that a node gives
    problems: list[str] = field(default_factory=list)
    ends: set[fx.Node] = field(default_factory=set)  # softmax, which nothing may read


def _read(graph: fx.GraphModule, example: Tensor, steps: Steps) -> Traced:
    reading, output = _Reading(graph, steps, example, Views({ENTERING: tuple(example.shape[1:])})), ""
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            if reading.names:
                raise UserError(f"the module must take one tensor; it also takes {node.name!r}")
            reading.names[node] = ENTERING
        elif node.op == "output":
            output = _output(reading, node)
        elif node.op != "get_attr" and "tensor_meta" in node.meta and node not in steps.later:
            try:
                _operation(reading, node)
            except UserError as error:
                reading.problems.append(f"{_where(graph, node)}: {error}")
                reading.names[node] = ENTERING  # so that what comes behind is looked at, too
    if reading.problems:
        raise unsupported(reading.problems, f"{torch_modules.KNOWN}; {torch_neurons.KNOWN}")
    return Traced(graph, tuple(reading.found), output, reading.views.image(), steps)


def _shape(node: fx.Node) -> Shape:
    """Return the shape of the tensor of ``node`` without its batch; of the first one where it gives several."""
    return tuple(_first(node).shape[1:])


def _first(node: fx.Node) -> Any:
    """Return what is known of the tensor of ``node``, of the first one where it gives several."""
    meta = node.meta["tensor_meta"]
    while not isinstance(meta, TensorMetadata):  # of a library's tensor, too, whose numbers come first
        meta = meta[0]
    return meta


def _output(reading: _Reading, node: fx.Node) -> str:
    given: Any = node.args[0]
    while isinstance(given, tuple | list | dict) and given:
        if isinstance(given, dict) and len(given) > 1:
            raise UserError(
                f"the module returns several things ({', '.join(map(str, given))}): return the scores alone"
            )
        given = next(iter(given.values())) if isinstance(given, dict) else given[0]
    if isinstance(given, fx.Node) and given in reading.steps.later:
        given = reading.steps.first(given, reading.names)
        if given is None:
            raise UserError(
                f"neurons with a state are called {reading.steps.count} times, a step each, so the module must return "
                "the sum, mean or stack of the scores of all steps"
            )
    if not isinstance(given, fx.Node) or given not in reading.names:
        raise UserError("the module must return a tensor of scores, or a tuple with it in front")
    return reading.names[given]


def _where(graph: fx.GraphModule, node: fx.Node) -> str:
    if node.op == "call_module":
        return f"{node.target} ({type(graph.get_submodule(str(node.target))).__name__})"
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    stack = node.meta.get("nn_module_stack")
    place = f" in {list(stack)[-1]}" if stack else ""
    return f"{node.name} ({name}{place})"


def _operation(reading: _Reading, node: fx.Node) -> None:
    """Read ``node``, which gives a tensor."""
    if node.target is operator.getitem:
        _item(reading, node)
        return
    given = [node.kwargs["input"], *node.args] if "input" in node.kwargs else list(node.args)
    sources = [n for n in given if isinstance(n, fx.Node) and n in reading.names]
    if not sources:
        if node.op != "call_module":
            torch_functions.check_known(node.target)
        raise UserError("it reads nothing that comes from the input, or a membrane, which only its own neurons see")
    if any(n in reading.ends for n in sources):
        raise UserError("it reads a softmax, which is left out behind the scores but has no form elsewhere")
    _check_tensor(reading, node)
    entering, leaving = _shape(sources[0]), _shape(node)
    if _only_shape(reading.graph, node):
        _add(reading, node, sources[:1], [_reshaped(reading, sources[0], node)])
        return
    if node.op == "call_module":
        module = reading.graph.get_submodule(str(node.target))
        if torch_neurons.known(module):
            kinds = torch_neurons.operations(module, entering, leaving, reading.steps.count)
        else:
            kinds = torch_modules.operations(module, entering, leaving)
            if isinstance(module, torch_modules.LAST):
                _end(reading, node, module.dim)
        _add(reading, node, sources[:1], kinds)
        return
    name = torch_functions.ARITHMETIC.get(node.target)
    if name is not None:
        _arithmetic(reading, node, name, given, sources)
        return
    named = {key: value for key, value in node.kwargs.items() if key != "input"}
    if node.target in torch_functions.LAST:
        _end(reading, node, named.get("dim", given[1] if len(given) > 1 else None))
    kinds = torch_functions.operations(node.target, given[1:], named, entering, leaving)
    _add(reading, node, sources[:1], kinds)


def _only_shape(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` changes the shape of a tensor and nothing else."""
    if node.op == "call_module":
        return isinstance(graph.get_submodule(str(node.target)), nn.Flatten | nn.Unflatten)
    return torch_functions.only_shape(node.target)


def _reshaped(reading: _Reading, source: fx.Node, node: fx.Node) -> Kind:
    """Return what it is that ``node`` gives the tensor of ``source`` another shape."""
    entering, leaving = _shape(source), _shape(node)
    return reading.views.changed(reading.names[source], entering, leaving) or torch_modules.reshaped(entering, leaving)


def _check_tensor(reading: _Reading, node: fx.Node) -> None:
    """Raise :class:`UserError` unless ``node`` gives a number of real ones for each input of the batch."""
    meta, kind = _first(node), reading.example.dtype
    if meta.dtype not in (torch.float32, torch.float64, kind):
        raise UserError(f"numbers of type {meta.dtype} have no form here: only floats have")
    if not meta.shape or meta.shape[0] != len(reading.example):
        raise UserError("it makes one of the inputs of a batch: each must go its own way, along the first axis")


def _end(reading: _Reading, node: fx.Node, dim: Any) -> None:
    """Note that ``node`` is a softmax over axis ``dim``."""
    axes = len(_first(node).shape)
    if dim is not None and (not isinstance(dim, int) or dim % axes != axes - 1):
        raise UserError(f"a softmax must be over the classes, dim=1, not over dim={dim}")
    reading.ends.add(node)


def _item(reading: _Reading, node: fx.Node) -> None:
    """Read what ``node`` takes of what a module returns: the first thing is its spikes, another its membrane."""
    source, which = node.args
    if (
        isinstance(source, fx.Node)
        and source in reading.names
        and isinstance(source.meta.get("tensor_meta"), TensorMetadata)
    ):
        if not keeps_order(which, _shape(source), _shape(node)):
            raise UserError("a part of a tensor has no form here: take all of it")
        _check_tensor(reading, node)
        _add(reading, node, [source], [_reshaped(reading, source, node)])
        return
    if which == 0 and isinstance(source, fx.Node) and source in reading.names:
        reading.names[node] = reading.names[source]


def _arithmetic(reading: _Reading, node: fx.Node, name: str, given: list[Any], sources: list[fx.Node]) -> None:
    both = [*given, *([node.kwargs["other"]] if "other" in node.kwargs else [])]
    more = {key: value for key, value in node.kwargs.items() if key not in ("input", "other")}
    if len(both) != 2 or more not in ({}, {"alpha": 1}):
        said = ", ".join(f"{key}={value}" for key, value in more.items()) or f"of {len(both)} things"
        raise UserError(f"'{name}' {said} has no form here: only that of two things, without more, has")
    if all(isinstance(n, fx.Node) and n in reading.names for n in both):
        if name != "add":
            raise UserError(f"'{name}' of two values has no form here: only their sum has")
        _add(reading, node, both, [Sum()])
        return
    swapped = both[0] is not sources[0]
    constant = _constant(reading.graph, both[0] if swapped else both[1])
    if _shape(node) != _shape(sources[0]):
        raise UserError(f"a constant must not change the shape {_shape(sources[0])} to {_shape(node)}")
    kinds = torch_functions.arithmetic(name, constant, _shape(sources[0]), swapped=swapped)
    _add(reading, node, sources[:1], kinds)


def _constant(graph: fx.GraphModule, other: Any) -> Any:
    if isinstance(other, fx.Node):
        if other.op != "get_attr":
            raise UserError("a factor or addend must be a number, a parameter or a buffer")
        found: Any = graph
        for part in str(other.target).split("."):
            found = getattr(found, part)
        return found
    return other


def _add(reading: _Reading, node: fx.Node, sources: list[fx.Node], kinds: list[Kind]) -> None:
    """Add ``kinds``, one behind the other, as what ``node`` does to ``sources``; only the last has the node's name."""
    names = tuple(reading.names[n] for n in sources)
    for number, kind in enumerate(kinds):
        last = number == len(kinds) - 1
        name = node.name if last else f"{node.name}.{number}"
        reading.found.append(Operation(name, _where(reading.graph, node), names, kind))
        reading.views.follow(name, names, kind, _shape(node) if last else _shape(sources[0]))
        names = (name,)
    reading.names[node] = names[0]


def name_of(module: nn.Module) -> str:
    """Return a network's name for ``module``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", type(module).__name__).lower()
