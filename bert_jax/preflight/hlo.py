"""Costs read from an optimised HLO module: cycles, loops, collectives.

Of the text that XLA prints; its grammar is that of `HloModule.as_text()`. TPU's compiler leaves an
estimate of cycles in the `backend_config` of what it puts on the chip's compute units. It leaves
none on collectives, on calls of kernels and on the generator of random bits, and the body of a loop
stands there once. A collective may stand in a fusion, or be spread over several that compute
meanwhile; one between slices is a transfer of the hosts.
"""

import itertools
import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

_COMPUTATION = re.compile(r"(ENTRY )?%([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%([\w.\-]+) = (.*)")
_OPCODE = re.compile(r" ([a-z][a-z0-9\-]*)\(")
_ARRAY = re.compile(r"\b(pred|[a-z]\d+|bf16|f8\w+)\[([\d,]*)\]")
_CALLED = re.compile(
    r"(?:calls|to_apply|branch_computations|true_computation|false_computation)="
    r"(?:%([\w.\-]+)|\{([^}]*)\})"
)
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_NAME = re.compile(r'op_name="([^"]*)"')
_GROUPS = re.compile(
    r"(?:replica_groups|source_target_pairs)="
    r"(mesh\[[^\]]*\] \{[^}]*\}|\[[\d,]+\]<=\[[\d,]+\](?:T\([\d,]+\))?|\{[^=]*?\}\})"
)
_CHANNEL = re.compile(r"channel_id=(\d+)")
_BETWEEN_SLICES = re.compile(r'_xla_megascale_transfer_type="(\w+)"')
_ESTIMATE = re.compile(r'"cost_estimate":(\{[^}]*\})')
_TARGET = re.compile(r'custom_call_target="([^"]*)"')

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_WORK = {"fusion", "dot", "convolution", "sort", "scatter", "gather", "rng", "rng-bit-generator"}
# Custom calls that say something to the compiler and compute nothing.
_HINTS = {
    "AssumeGatherIndicesInBound",
    "ConcatBitcast",
    "GatherScatterIndicesBitpacked",
    "Sharding",
    "SPMDFullToShardShape",
    "SPMDShardToFullShape",
    "AllocateBuffer",
    "SliceId",
}


@dataclass(frozen=True)
class Instruction:
    """One line of a computation: its name, opcode, the bytes of its result, and the rest of the
    line."""

    name: str
    opcode: str
    bytes: int
    line: str

    @property
    def called(self) -> list[str]:
        """The computations that it calls."""
        names = ",".join(one or several for one, several in _CALLED.findall(self.line))
        return [name.strip().lstrip("%") for name in names.split(",")] if names else []

    @property
    def operands(self) -> list[str]:
        """The instructions that it reads."""
        begin = self.line.index(f" {self.opcode}(") + len(self.opcode) + 2
        return re.findall(r"%([\w.\-]+)", self.line[begin : self.line.index(")", begin)])

    @property
    def op_name(self) -> str:
        """The operation of the traced program that this instruction comes from."""
        match = _NAME.search(self.line)
        return match[1] if match else ""


@dataclass(frozen=True)
class Collective:
    """A collective.

    Attributes:
        kind: of `COLLECTIVES`.
        bytes: of its result on a chip; between slices those that a chip hands to its host.
        groups: the devices that take part together, by their places among those of the program.
        times: how often it is done.
        between_slices: over the network of the hosts; groups are not said then.
    """

    kind: str
    bytes: int
    groups: tuple[tuple[int, ...], ...]
    times: int
    between_slices: bool = False


@dataclass(frozen=True)
class Uncosted:
    """An operation that computes and has no estimate.

    Attributes:
        what: it is.
        bytes: that it reads and writes; of a look-up and its like those that it touches.
        flops: as far as a kernel says so itself, else 0.
        times: how often it is done.
    """

    what: str
    bytes: int
    flops: int
    times: int


@dataclass
class Cost:
    """Costs of a program on each chip; all branches of a conditional count.

    Attributes:
        cycles: as the compiler estimates them, by `op_name`, loops multiplied out.
        collectives: those of the program.
        uncosted: what computes and has no estimate.
        loops: trip counts, by the name of the loop.
    """

    cycles: Counter = field(default_factory=Counter)
    collectives: list[Collective] = field(default_factory=list)
    uncosted: list[Uncosted] = field(default_factory=list)
    loops: dict[str, int] = field(default_factory=dict)


def computations(text: str) -> tuple[str, dict[str, list[Instruction]]]:
    """The name of the entry computation, and the instructions of every computation by its name."""
    entry, current = "", None
    instructions: dict[str, list[Instruction]] = {}
    for line in text.splitlines():
        if line and not line[0].isspace():
            header = _COMPUTATION.match(line)
            current = instructions.setdefault(header[2], []) if header else None
            entry = header[2] if header and header[1] else entry
        elif current is not None and (instruction := _INSTRUCTION.match(line)):
            rest = instruction[2]
            if opcode := _OPCODE.search(rest):
                shape = rest[: rest.index(f" {opcode[1]}(")]
                current.append(Instruction(instruction[1], opcode[1], _bytes(shape), rest))
    return entry, instructions


def _bytes(shape: str) -> int:
    """Returns the bytes of all arrays of a shape, which may be a tuple."""
    return sum(
        _width(kind) * math.prod(map(int, filter(None, sizes.split(","))))
        for kind, sizes in _ARRAY.findall(re.sub(r"/\*.*?\*/", "", shape))
    )


def _width(kind: str) -> int:
    return (
        1
        if kind == "pred" or kind.startswith("f8")
        else max(int(_matched(r"\d+$", kind)[0]) // 8, 1)
    )


def cost(text: str) -> Cost:
    """The cost of a module's text.

    Raises:
        ValueError: a loop's trip count does not stand in its condition.
    """
    entry, instructions = computations(text)
    reading = _Reading(instructions)
    reading.add(entry, 1)
    return reading.total


class _Reading:
    """Walks through the computations of a module and adds up what they cost."""

    def __init__(self, found: dict[str, list[Instruction]]):
        self.total = Cost()
        self._found = found
        self._seen: set[tuple] = (
            set()
        )  # collectives that were met in a fusion, some of them in several

    def add(self, name: str, times: int) -> None:
        """Adds a computation that is done so many times."""
        by_name = {one.name: one for one in self._found[name]}
        for one in self._found[name]:
            kind = one.opcode.removesuffix("-done")
            cycles = _CYCLES.search(one.line)
            hides = one.opcode == "fusion" and self._hidden_collective(one, times)
            if one.opcode == "while":
                condition, body = (
                    _matched(rf"{part}=%([\w.\-]+)", one.line)[1] for part in ("condition", "body")
                )
                self.total.loops[one.name] = trips = trip_count(
                    self._found[condition], one, by_name
                )
                self.add(body, times * trips)
            elif kind in COLLECTIVES:
                # What is done in the background has its result at its end, and its groups at its
                # start.
                begun = by_name[one.operands[0]] if one.opcode.endswith("-done") else one
                self.total.collectives.append(
                    Collective(kind, one.bytes, _groups(begun.line), times)
                )
            elif one.opcode == "send" and (transfer := _BETWEEN_SLICES.search(one.line)):
                kind, sent = transfer[1].lower().replace("_", "-"), by_name[one.operands[0]].bytes
                self.total.collectives.append(
                    Collective(kind, sent, (), times, between_slices=True)
                )
            elif cycles:
                self.total.cycles[one.op_name] += times * int(cycles[1])
            elif one.opcode in ("call", "conditional", "async-start"):
                for called in one.called:
                    self.add(called, times)
            elif not hides and (what := _uncosted(one)):
                operands = [
                    by_name[operand].bytes for operand in one.operands if operand in by_name
                ]
                touched = self._touched(one.opcode, one.bytes, operands, one.called)
                flops = int(_kernel_says(one, "flops"))
                self.total.uncosted.append(
                    Uncosted(
                        what, int(_kernel_says(one, "bytes_accessed") or touched), flops, times
                    )
                )

    def _hidden_collective(self, fusion: Instruction, times: int) -> bool:
        """Returns True for a fusion that is, or computes during, a collective; each counts once."""
        hides = False
        for inner in self._inside(fusion.called):
            if inner.opcode in COLLECTIVES:
                hides = True
                kind, size, channel = inner.opcode, inner.bytes, _CHANNEL.search(inner.line)
                if kind == "all-reduce" and fusion.bytes < size:  # of which it keeps a part
                    kind, size = "reduce-scatter", fusion.bytes
                known = (kind, channel and channel[1], size)
                if known not in self._seen:
                    self._seen.add(known)
                    self.total.collectives.append(
                        Collective(kind, size, _groups(inner.line), times)
                    )
        return hides

    def _inside(self, called: list[str]) -> list[Instruction]:
        """Returns the instructions of some computations."""
        return list(itertools.chain.from_iterable(self._found.get(name, ()) for name in called))

    def _touched(self, opcode: str, result: int, operands: list[int], called: list[str]) -> int:
        """Bytes that an instruction reads and writes: of tables the rows that are looked up or
        added to."""
        if opcode == "gather":
            return 2 * result
        if opcode == "scatter":
            return 3 * operands[-1]  # an update is read, and a row of the table read and written
        inside = self._inside(called)
        sizes = {inner.name: inner.bytes for inner in inside}
        tables = [
            self._touched(inner.opcode, inner.bytes, [sizes[name] for name in inner.operands], [])
            for inner in inside
            if inner.opcode in ("gather", "scatter")
        ]
        return sum(tables) if tables else result + sum(operands)


def _uncosted(one: Instruction) -> str:
    """Returns the name of the computation of an instruction without cycles; empty if it computes
    nothing."""
    if one.opcode == "custom-call":
        target = _matched(_TARGET, one.line)[1]
        return "" if target in _HINTS else f"custom-call {target}"
    return (one.op_name.rpartition("/")[2] or one.opcode) if one.opcode in _WORK else ""


def _kernel_says(one: Instruction, figure: str) -> float:
    """A figure of the cost that a kernel's author gave it; 0 if there is none."""
    match = _ESTIMATE.search(one.line)
    return int(json.loads(match[1]).get(figure, 0)) if match else 0


def trip_count(
    condition: list[Instruction], loop: Instruction, around: dict[str, Instruction]
) -> int:
    """Returns the number of times that a loop's body runs: its counter goes from a first value up
    to the constant that it is compared with.

    Args:
        condition: the loop's.
        loop: the instruction, whose operand is a tuple with the counter.
        around: the instructions of the computation that it stands in, by name.

    Raises:
        ValueError: that is not what the condition says.
    """
    inside = {one.name: one for one in condition}
    root = condition[-1]
    if root.opcode != "compare" or "direction=LT" not in root.line:
        raise ValueError(f"the loop {loop.name} has no counter in its condition: {root.line[:200]}")
    counter, bound = (inside[name] for name in root.operands)
    index = re.search(r"index=(\d+)", counter.line)
    if bound.opcode != "constant" or not index:
        raise ValueError(f"the loop {loop.name} has no constant bound: {bound.line[:200]}")
    return _constant(bound) - _first_value(loop, int(index[1]), around)


def _first_value(loop: Instruction, index: int, around: dict[str, Instruction]) -> int:
    operand = around[loop.operands[0]]
    while operand is not None and operand.opcode in ("tuple", "copy"):
        operand = around.get(operand.operands[index if operand.opcode == "tuple" else 0])
    if operand is None or operand.opcode != "constant":
        raise ValueError(f"the loop {loop.name} begins at a value that is not constant")
    return _constant(operand)


def _matched(pattern: str | re.Pattern[str], text: str) -> re.Match[str]:
    """The first match in a text that the compiler always writes so."""
    match = re.search(pattern, text)
    assert match, f"{pattern} is not in {text}"
    return match


def _constant(one: Instruction) -> int:
    return int(_matched(r"constant\((-?\d+)\)", one.line)[1])


def _groups(line: str) -> tuple[tuple[int, ...], ...]:
    """The groups of a collective, or the pairs of a permutation, in any of the ways in which they
    are written."""
    match = _GROUPS.search(line)
    if not match:
        return ()
    text = match[1]
    if text.startswith("{"):
        return tuple(
            tuple(map(int, group.split(","))) for group in re.findall(r"\{([\d,]+)\}", text)
        )
    if text.startswith("mesh"):
        sizes = {axis: int(size) for axis, size in re.findall(r"'([^']+)'=(\d+)", text)}
        along = re.findall(r"'([^']+)'", text.rpartition("{")[2])
        order = [i for i, axis in enumerate(sizes) if axis not in along] + [
            list(sizes).index(axis) for axis in along
        ]
        numbers = np.arange(math.prod(sizes.values())).reshape(*sizes.values()).transpose(order)
        return _rows(numbers.reshape(-1, math.prod(sizes[axis] for axis in along)))
    shape, sizes, *order = (
        tuple(map(int, part.split(","))) for part in re.findall(r"([\d,]+)[\])]", text)
    )
    numbers = np.arange(math.prod(sizes)).reshape(sizes)
    return _rows((numbers.transpose(order[0]) if order else numbers).reshape(shape))


def _rows(numbers: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in numbers.tolist())
