"""Powers of two and sortable integers that run in vectors: what the other kernels are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from tempering.sampling.kernels.compiler import compiled

ROUND = 6755399441055744.0
"""1.5 * 2^52: added to a whole number, it puts that number into the low bits of the sum."""

LEAST = -1000.0
"""Powers of two below this count as 2^-1000: nothing beside a sum that holds 1."""


@intrinsic
def bits32(_context: Any, _x: Any) -> Any:
    """Return the bits of a float32 as int32."""
    return types.int32(types.float32), lambda _, build, __, values: build.bitcast(values[0], ir.IntType(32))


@intrinsic
def float32(_context: Any, _word: Any) -> Any:
    """Return the float32 of these bits."""
    return types.float32(types.int32), lambda _, build, __, values: build.bitcast(values[0], ir.FloatType())


@intrinsic
def nearest(_context: Any, _x: Any) -> Any:
    """Return the nearest whole number as a float64."""

    def build_it(_: Any, build: Any, __: Any, values: Any) -> Any:
        return build.call(build.module.declare_intrinsic("llvm.rint", [ir.DoubleType()]), values)

    return types.float64(types.float64), build_it


@intrinsic
def full_width(_context: Any, _x: Any) -> Any:
    """Return the number; loops of the calling function may use vectors of 512 bits where the processor has them."""

    def build_it(_: Any, build: Any, __: Any, values: Any) -> Any:
        set.add(build.function.attributes, '"prefer-vector-width"="512"')
        return values[0]

    return _x(_x), build_it


@intrinsic
def prefetch(_context: Any, _array: Any, _at: Any) -> Any:
    """Ask for an element that is read soon; it may lie beyond the end."""

    def build_it(context: Any, build: Any, signature: Any, values: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        data = arrayobj.make_array(signature.args[0])(context, build, values[0]).data
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        call = cgutils.get_or_insert_function(build.module, kind, "llvm.prefetch.p0")
        read, near, of_data = word(0), word(2), word(1)
        build.call(call, [build.bitcast(build.gep(data, [values[1]]), byte), read, near, of_data])
        return context.get_dummy_value()

    return types.void(_array, types.int64), build_it


@intrinsic
def wide(_context: Any, _a: Any, _b: Any) -> Any:
    """Return the upper and the lower half of the product of two words of 64 bits."""
    pair = types.UniTuple(types.uint64, 2)

    def build_it(context: Any, build: Any, _: Any, values: Any) -> Any:
        word, double = ir.IntType(64), ir.IntType(128)
        product = build.mul(build.zext(values[0], double), build.zext(values[1], double))
        halves = build.trunc(build.lshr(product, ir.Constant(double, 64)), word), build.trunc(product, word)
        return context.make_tuple(build, pair, halves)

    return pair(types.uint64, types.uint64), build_it


@intrinsic
def _power(_context: Any, _x: Any) -> Any:
    """Return 2^k for the whole number k in the low bits of ``k + ROUND``."""

    def build_it(_: Any, build: Any, __: Any, values: Any) -> Any:
        word = ir.IntType(64)
        exponent = build.add(build.bitcast(values[0], word), ir.Constant(word, 1023))
        return build.bitcast(build.shl(exponent, ir.Constant(word, 52)), ir.DoubleType())

    return types.float64(types.float64), build_it


@intrinsic
def _power32(_context: Any, _x: Any) -> Any:
    """Return 2^k of a whole number k."""

    def build_it(_: Any, build: Any, __: Any, values: Any) -> Any:
        word = ir.IntType(32)
        exponent = build.add(values[0], ir.Constant(word, 127))
        return build.bitcast(build.shl(exponent, ir.Constant(word, 23)), ir.FloatType())

    return types.float32(types.int32), build_it


@intrinsic
def _fused(_context: Any, _x: Any, _y: Any, _z: Any) -> Any:
    """Return x y + z, rounded once."""
    single = types.float32
    return single(single, single, single), lambda _, build, __, values: build.fma(*values)


@intrinsic
def _less(_context: Any, _x: Any, _y: Any) -> Any:
    """Return x - y, which no rule of algebra may take elsewhere."""
    return types.float32(types.float32, types.float32), lambda _, build, __, values: build.fsub(*values)


@intrinsic
def _times_power(_context: Any, _p: Any, _shifted: Any) -> Any:
    """Return p 2^k for the whole number k in the low bits of ``shifted``."""

    def build_it(_: Any, build: Any, __: Any, values: Any) -> Any:
        word = ir.IntType(32)
        exponent = build.shl(build.bitcast(values[1], word), ir.Constant(word, 23))
        return build.bitcast(build.add(build.bitcast(values[0], word), exponent), ir.FloatType())

    return types.float32(types.float32, types.float32), build_it


ROUND32 = np.float32(12582912.0)
"""1.5 * 2^23, which does the same in float32."""


@compiled
def power32(z: np.float32, scale: np.float32, rest: np.float32, shift: np.float32) -> np.float32:
    """Return 2^(z (scale + rest) - k) to within 1.2e-7 of its value, for shift = ROUND32 - k with a whole number k.

    The product may be up to 2^14 and may exceed k by at most 126, either way. The best polynomial on [-1/2, 1/2].
    """
    shifted = _fused(z, scale, shift)
    r = _fused(z, rest, _fused(z, scale, -_less(shifted, shift)))
    p = np.float32(1.534581242594868e-4)
    p = _fused(p, r, np.float32(1.3399930903688073e-3))
    p = _fused(p, r, np.float32(9.618489071726799e-3))
    p = _fused(p, r, np.float32(5.550328642129898e-2))
    p = _fused(p, r, np.float32(2.4022646248340607e-1))
    p = _fused(p, r, np.float32(6.931471824645996e-1))
    p = _fused(p, r, np.float32(1.0))
    return _times_power(p, shifted)


@compiled
def rough_exp2(y: np.float32) -> np.float32:
    """Return 2^y for y <= 0 in float32: half the time, to within 1e-6 of its value for y > -16, 1e-5 for y > -100."""
    y = max(y, np.float32(-126.0))
    whole = np.int32(y - np.float32(0.5))
    r = y - np.float32(whole)
    p = np.float32(1.339086336e-3)
    p = p * r + np.float32(9.676031918e-3)
    p = p * r + np.float32(5.550357114e-2)
    p = p * r + np.float32(2.402210749e-1)
    p = p * r + np.float32(6.931471880e-1)
    p = p * r + np.float32(1.0)
    return p * _power32(whole)


@compiled
def exp2(y: float) -> float:
    """Return 2^y for y <= 0 to within 1e-15 of its value; the Taylor series of e^x, |x| <= log(2) / 2."""
    y = max(y, LEAST)
    whole = nearest(y)
    x = (y - whole) * 0.6931471805599453
    p = 2.08767569878681e-09
    p = p * x + 2.505210838544172e-08
    p = p * x + 2.755731922398589e-07
    p = p * x + 2.7557319223985893e-06
    p = p * x + 2.48015873015873e-05
    p = p * x + 1.984126984126984e-04
    p = p * x + 1.388888888888889e-03
    p = p * x + 8.333333333333333e-03
    p = p * x + 4.1666666666666664e-02
    p = p * x + 1.6666666666666666e-01
    p = p * x + 0.5
    p = p * x + 1.0
    p = p * x + 1.0
    return p * _power(whole + ROUND)
