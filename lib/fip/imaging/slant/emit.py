"""The numba type of vectors, and how LLVM's instructions for them are written: `simd.py` is made of these."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from fip.imaging.slant.cache import use_cache

FOLDER = use_cache()  # before anything is compiled

from numba import types  # noqa: E402
from numba.core import cgutils  # noqa: E402
from numba.extending import models, register_model  # noqa: E402

BITS = {ir.FloatType(): 32, ir.DoubleType(): 64}


class Vec(types.Type):  # type: ignore[misc]
    """The numba type of a vector of `lanes` floats. In annotations, such a value."""

    def __init__(self, number: types.Float, lanes: int) -> None:
        self.number, self.lanes = number, lanes
        super().__init__(f"{number}x{lanes}")

    if TYPE_CHECKING:  # how values behave

        def __add__(self, other: "Vec") -> "Vec": ...
        def __sub__(self, other: "Vec") -> "Vec": ...
        def __mul__(self, other: "Vec") -> "Vec": ...
        def __truediv__(self, other: "Vec") -> "Vec": ...


@register_model(Vec)
class _VecModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, type_: Vec) -> None:
        number = ir.FloatType() if type_.number == types.float32 else ir.DoubleType()
        super().__init__(manager, type_, ir.VectorType(number, type_.lanes))


def lanes_of(indices: Sequence[int]) -> ir.Constant:
    """Return the mask of a shuffle: which lane goes to which place."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), list(indices))


def made(emit: Callable[..., Any]) -> Callable[..., Any]:
    """Return numba's code for an intrinsic: `emit` gets the builder and the arguments' values, for arrays pointers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, args, strict=True)
        ]
        result = emit(builder, *values)
        return context.get_dummy_value() if result is None else result

    return generate


def load_at(builder: Any, start: Any, index: Any, lanes: int) -> Any:
    """Load start[index : index + lanes]: a negative index is not taken from the end, as numba's own would be.

    Only the alignment of its elements is assumed. Buffers of `aligned` have more, and loads from them do not straddle
    lines.
    """
    number = start.type.pointee
    address = builder.bitcast(builder.gep(start, [index]), ir.VectorType(number, lanes).as_pointer())
    return builder.load(address, align=BITS[number] // 8)


def store_at(builder: Any, value: Any, start: Any, index: Any, past: bool = False) -> None:
    """start[index : index + lanes] = value; `past` the caches, of whole lines: 16 lanes on a boundary of 64 bytes."""
    address = builder.bitcast(builder.gep(start, [index]), value.type.as_pointer())
    stored = builder.store(value, address, align=64 if past else BITS[value.type.element] // 8)
    if past:
        stored.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))


def splat_of(builder: Any, scalar: Any, lanes: int) -> Any:
    """Return a number in all of so many lanes."""
    vector = ir.VectorType(scalar.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, one, lanes_of([0] * lanes))


def shuffled(builder: Any, value: Any, lanes: Sequence[int]) -> Any:
    """Return these lanes of a vector, in this order."""
    return builder.shuffle_vector(value, value, lanes_of(lanes))


def fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, of floats or vectors, in one instruction if there is one."""
    return called(builder, "fmuladd", a.type, a, b, c)


def called(builder: Any, name: str, result: Any, *values: Any, **how: Any) -> Any:
    """Call LLVM's own function of that name; the type of the last value selects its variant."""
    kind = values[-1].type
    lanes, number = (f"v{kind.count}", kind.element) if isinstance(kind, ir.VectorType) else ("", kind)
    signature = ir.FunctionType(result, [each.type for each in values])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.{lanes}f{BITS[number]}")
    return builder.call(function, values, **how)


def horner(builder: Any, coefficients: Sequence[Any], x: Any) -> Any:
    """Return the polynomial sum_p coefficients[p] x^p."""
    *lower, total = coefficients
    for each in reversed(lower):
        total = fused(builder, total, x, each)
    return total
