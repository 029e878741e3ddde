# ruff: noqa: ANN001, ANN201, ANN202 - Numba calls all of these, with types and with LLVM's values
"""Rows of a table, of which a pixel takes a few: all at once, with the places read once and no loop.

How many there are is the length of a tuple, which the compiler knows. See `vectors` for how operations are written.
"""

from llvmlite import ir
from numba.core import types

from intarsia.kernels.vectors.vector_type import FLOAT, FUSED, INT, constant, operation, splatted


@operation
def fetch(typing, address):
    """Asks for the cache line at an address, which need not be anybody's, before it is read."""

    def build(context, builder, signature, arguments):
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, INT, INT, INT])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        hints = [ir.Constant(INT, hint) for hint in (0, 3, 1)]  # to read, near, data
        builder.call(function, [builder.inttoptr(arguments[0], pointer), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), build


@operation
def transpose(typing, source, source_step, target, target_step, like):
    """As many vectors as each has lanes, `source_step` bytes apart, are written turned: the lanes i become vector i."""

    def build(context, builder, signature, arguments):
        source, source_step, target, target_step, like = arguments
        count, pointer = like.type.count, like.type.as_pointer()

        def place(base, apart, i):
            offset = builder.mul(apart, ir.Constant(ir.IntType(64), i))
            return builder.inttoptr(builder.add(base, offset), pointer)

        rows = [builder.load(place(source, source_step, i), align=4) for i in range(count)]
        distance = 1
        while distance < count:  # exchanges blocks of 1, 2, 4 … beside the diagonal
            upper = [i ^ distance | count if i & distance else i for i in range(count)]
            lower = [i | count if i & distance else i ^ distance for i in range(count)]
            for i in range(count):
                if not i & distance:
                    pair = rows[i], rows[i + distance]
                    rows[i] = builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(INT, count), upper))
                    rows[i + distance] = builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(INT, count), lower))
            distance *= 2
        for i, row in enumerate(rows):
            builder.store(row, place(target, target_step, i), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64, like), build


@operation
def read_rows(typing, count, address, step, stride):
    """As many int32 as the tuple `count` has members, `step` bytes apart, times `stride`: a tuple of int64."""

    def build(context, builder, signature, arguments):
        _, address, step, stride = arguments
        rows = []
        for i in range(count.count):
            place = builder.add(address, builder.mul(step, ir.Constant(ir.IntType(64), i)))
            index = builder.load(builder.inttoptr(place, INT.as_pointer()), align=4)
            rows.append(builder.mul(builder.sext(index, ir.IntType(64)), stride))
        return context.make_tuple(builder, signature.return_type, rows)

    result = types.UniTuple(types.int64, count.count)
    return result(count, types.int64, types.int64, types.int64), build


@operation
def read_shares(typing, count, address, step):
    """As many floats as the tuple `count` has members, `step` bytes apart."""

    def build(context, builder, signature, arguments):
        _, address, step = arguments
        shares = []
        for i in range(count.count):
            place = builder.add(address, builder.mul(step, ir.Constant(ir.IntType(64), i)))
            shares.append(builder.load(builder.inttoptr(place, FLOAT.as_pointer()), align=4))
        return context.make_tuple(builder, signature.return_type, shares)

    return types.UniTuple(types.float32, count.count)(count, types.int64, types.int64), build


@operation
def gather(typing, base, rows, shares, start):
    """`start`, a vector or a float, and what lies at `base` plus each of `rows`, times its share.

    There are two sums, which do not wait for each other.
    """

    def build(context, builder, signature, arguments):
        base, rows, shares, start = arguments
        sums = [start, constant(start.type, 0.0)]
        for i in range(signature.args[1].count):
            place = builder.inttoptr(builder.add(base, builder.extract_value(rows, i)), start.type.as_pointer())
            share = splatted(builder, builder.extract_value(shares, i), start.type)
            product = builder.fmul(share, builder.load(place, align=4), flags=FUSED)
            sums[(i + 1) % 2] = builder.fadd(product, sums[(i + 1) % 2], flags=FUSED)
        return builder.fadd(*sums)

    return start(types.int64, rows, shares, start), build


@operation
def scatter(typing, base, rows, shares, vector):
    """Adds a vector or a float, times its share, at `base` plus each of `rows`, which are all different."""

    def build(context, builder, signature, arguments):
        base, rows, shares, vector = arguments
        changed = []
        for i in range(signature.args[1].count):
            place = builder.inttoptr(builder.add(base, builder.extract_value(rows, i)), vector.type.as_pointer())
            product = builder.fmul(
                splatted(builder, builder.extract_value(shares, i), vector.type), vector, flags=FUSED
            )
            changed.append((builder.fadd(product, builder.load(place, align=4), flags=FUSED), place))
        for value, place in changed:
            builder.store(value, place, align=4)
        return context.get_dummy_value()

    return types.void(types.int64, rows, shares, vector), build
