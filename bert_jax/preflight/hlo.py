"""What an optimised HLO module says of its cost: cycles, loops, collectives.

Of the text that XLA prints; its grammar is that of `HloModule.as_text()`. TPU's compiler leaves an estimate of cycles
in the `backend_config` of what it puts on the chip's compute units. It leaves none on collectives, on calls of kernels
and on the generator of random bits, and the body of a loop stands there once.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field

_COMPUTATION = re.compile(r"(ENTRY )?%([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%([\w.\-]+) = (.*)")
_OPCODE = re.compile(r" ([a-z][a-z0-9\-]*)\(")
_ARRAY = re.compile(r"\b(pred|[a-z]\d+|bf16|f8\w+)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:calls|to_apply|branch_computations|true_computation|false_computation)="
                     r"(?:%([\w.\-]+)|\{([^}]*)\})")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_NAME = re.compile(r'op_name="([^"]*)"')
_GROUPS = re.compile(r"replica_groups=(mesh\[[^\]]*\] \{[^}]*\}|\[[\d,]+\]<=\[[\d,]+\](?:T\([\d,]+\))?|\{[^=]*?\}\})")
_TARGET = re.compile(r'custom_call_target="([^"]*)"')

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_WORK = {"fusion", "dot", "convolution", "sort", "scatter", "gather", "rng", "rng-bit-generator"}
# Custom calls that say something to the compiler and compute nothing.
_HINTS = {"AssumeGatherIndicesInBound", "ConcatBitcast", "GatherScatterIndicesBitpacked", "Sharding",
          "SPMDFullToShardShape", "SPMDShardToFullShape", "AllocateBuffer"}


@dataclass(frozen=True)
class Instruction:
    """One line of a computation: its name, opcode, the bytes of its result, and the rest of the line."""

    name: str
    opcode: str
    bytes: int
    line: str

    @property
    def called(self) -> list[str]:
        """The computations that it calls."""
        return [name.strip().lstrip("%") for one, several in _CALLED.findall(self.line)
                for name in (one or several).split(",")]

    @property
    def operands(self) -> list[str]:
        """The instructions that it reads."""
        begin = self.line.index(f" {self.opcode}(") + len(self.opcode) + 2
        return re.findall(r"%([\w.\-]+)", self.line[begin:self.line.index(")", begin)])

    @property
    def op_name(self) -> str:
        """What it is of the program that was compiled."""
        found = _NAME.search(self.line)
        return found[1] if found else ""


@dataclass(frozen=True)
class Collective:
    """A collective: its kind, the bytes of its result on a chip, the devices of a group, and how often it is done."""

    kind: str
    bytes: int
    devices: int
    times: int


@dataclass
class Cost:
    """What a program costs on each chip; of a conditional all branches count.

    Attributes:
        cycles: as the compiler estimates them, by `op_name`, loops multiplied out.
        collectives: those of the program.
        uncosted: instructions that compute and have no estimate, by what they are, loops multiplied out.
        loops: trip counts, by the name of the loop.
    """

    cycles: Counter = field(default_factory=Counter)
    collectives: list[Collective] = field(default_factory=list)
    uncosted: Counter = field(default_factory=Counter)
    loops: dict[str, int] = field(default_factory=dict)


def computations(text: str) -> tuple[str, dict[str, list[Instruction]]]:
    """The name of the entry computation, and the instructions of every computation by its name."""
    entry, found, current = "", {}, None
    for line in text.splitlines():
        if line and not line[0].isspace():
            header = _COMPUTATION.match(line)
            current = found.setdefault(header[2], []) if header else None
            entry = header[2] if header and header[1] else entry
        elif current is not None and (instruction := _INSTRUCTION.match(line)):
            rest = instruction[2]
            if opcode := _OPCODE.search(rest):
                shape = rest[:rest.index(f" {opcode[1]}(")]
                current.append(Instruction(instruction[1], opcode[1], _bytes(shape), rest))
    return entry, found


def _bytes(shape: str) -> int:
    """Of all arrays in a shape, which may be a tuple."""
    return sum(_width(kind) * math.prod(map(int, filter(None, sizes.split(","))))
               for kind, sizes in _ARRAY.findall(re.sub(r"/\*.*?\*/", "", shape)))


def _width(kind: str) -> int:
    return 1 if kind == "pred" or kind.startswith("f8") else max(int(re.search(r"\d+$", kind)[0]) // 8, 1)


def cost(text: str) -> Cost:
    """The cost of a module's text.

    Raises:
        ValueError: a loop's trip count does not stand in its condition.
    """
    entry, found = computations(text)
    total = Cost()
    _add(total, found, entry, 1)
    return total


def _add(total: Cost, found: dict[str, list[Instruction]], name: str, times: int) -> None:
    by_name = {one.name: one for one in found[name]}
    for one in found[name]:
        kind = one.opcode.removesuffix("-done")
        cycles = _CYCLES.search(one.line)
        if one.opcode == "while":
            condition, body = (re.search(rf"{part}=%([\w.\-]+)", one.line)[1] for part in ("condition", "body"))
            total.loops[one.name] = trips = trip_count(found[condition], one, by_name)
            _add(total, found, body, times * trips)
        elif kind in COLLECTIVES:
            # What is done in the background has its result at its end, and its groups at its start.
            begun = by_name[one.operands[0]] if one.opcode.endswith("-done") else one
            total.collectives.append(Collective(kind, one.bytes, _group_size(begun.line), times))
        elif cycles:
            total.cycles[one.op_name] += times * int(cycles[1])
        elif one.opcode in ("call", "conditional", "async-start"):
            for called in one.called:
                _add(total, found, called, times)
        elif one.opcode == "custom-call":
            target = _TARGET.search(one.line)[1]
            if target not in _HINTS:
                total.uncosted[f"custom-call {target}"] += times
        elif one.opcode in _WORK:
            total.uncosted[one.op_name.rpartition("/")[2] or one.opcode] += times


def trip_count(condition: list[Instruction], loop: Instruction, around: dict[str, Instruction]) -> int:
    """How often a loop's body is done: a counter from its first value up to the constant that it is compared with.

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


def _constant(one: Instruction) -> int:
    return int(re.search(r"constant\((-?\d+)\)", one.line)[1])


def _group_size(line: str) -> int:
    """Devices of each group of a collective; 1 where it does not say."""
    groups = _GROUPS.search(line)
    if not groups:
        return 2 if "source_target_pairs" in line else 1
    text = groups[1]
    if text.startswith("mesh"):
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", text))
        return math.prod(int(sizes[axis]) for axis in re.findall(r"'([^']+)'", text.rpartition("{")[2]))
    if text.startswith("["):
        return int(text[1:text.index("]")].split(",")[-1])
    return len(text.lstrip("{").partition("}")[0].split(","))
