"""The array: tiles of processing elements with registers between them, and the drain along every row."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.config import ArrayConfig
from signum.hdl.lib.delay import behind_registers
from signum.hdl.lib.share import Vector, add_shared, portions

from .pe import ProcessingElement, strobes, takes_sums_early

__all__ = ["Array", "Rows", "Tile"]


class Tile(wiring.Component):
    """Processing elements that share their words, and the registers that pass the words to the next tiles.

    Parameters
    ----------
    config : ArrayConfig
    rows, cols : int
        Size of this tile, at most ``config.rows_per_tile`` and ``config.tile``.

    Members
    -------
    a : In(word_bits), one for each row; w : In(word_bits), one for each column
        Activation and weight words.
    first, load, shift : In(1)
        See `hdl.array.pe.strobes`.
    neighbour, result : In(drain_bits), Out(drain_bits), one for each row
        The drain chains, from the tile on the right and to the tile on the left: ``drain_width`` of them, each of every
        ``drain_width``-th column.
    a_next, w_next, first_next, load_next, shift_next : Out
        The same signals one cycle later.
    """

    def __init__(self, *, config: ArrayConfig, rows: int, cols: int) -> None:
        self.config = config
        self.rows = rows
        self.cols = cols
        self.share_key = (config.lanes, config.element_bits, config.pipeline, config.acc_bits, config.accumulator_shift,
                          config.drain_width, rows, cols)
        super().__init__({
            "a": In(config.word_bits).array(rows),
            "w": In(config.word_bits).array(cols),
            **dict.fromkeys(strobes(config), In(1)),
            "neighbour": In(config.drain_bits).array(rows),
            "result": Out(config.drain_bits).array(rows),
            "a_next": Out(config.word_bits).array(rows),
            "w_next": Out(config.word_bits).array(cols),
            **{f"{name}_next": Out(1) for name in strobes(config)},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.config.drain_width
        for r in range(self.rows):
            neighbours = [self.neighbour[r].word_select(k, self.config.acc_bits) for k in range(width)]
            for c in reversed(range(self.cols)):
                pe = ProcessingElement(config=self.config)
                add_shared(m, f"pe_{r}_{c}", pe)
                m.d.comb += [
                    pe.a.eq(self.a[r]),
                    pe.w.eq(self.w[c]),
                    *(getattr(pe, name).eq(getattr(self, name)) for name in strobes(self.config)),
                    pe.neighbour.eq(neighbours[c % width]),
                ]
                neighbours[c % width] = pe.result
            m.d.comb += self.result[r].eq(Cat(neighbours))
            m.d.comb += self.a_next[r].eq(behind_registers(m, self.a[r], 1, f"a{r}"))
        for c in range(self.cols):
            m.d.comb += self.w_next[c].eq(behind_registers(m, self.w[c], 1, f"w{c}"))
        # no reset: words and strobes of a stopped run leave the array before the next run begins
        m.d.comb += [getattr(self, f"{name}_next").eq(behind_registers(m, getattr(self, name), 1, name))
                     for name in strobes(self.config)]
        return m


class Rows(wiring.Component):
    """Rows of an array: one tile row, a stack of tile rows, or a stack of stacks.

    Activation words pass from each tile to its right neighbour, weight words to the tile below.

    Parameters
    ----------
    config : ArrayConfig
    rows : int
        Number of rows; a multiple of ``config.rows_per_tile``, except at the end of the array.

    Members
    -------
    a : In(word_bits), one for each row; w : In(word_bits), one for each column
        Activation and weight words.
    first, load, shift : In(1)
        For the first tile.
    sums : Out(drain_bits), one for each row
    w_next, first_next, load_next, shift_next : Out
        The words from the last tiles; the strobes from the lowest tile of the first column.
    """

    def __init__(self, *, config: ArrayConfig, rows: int) -> None:
        self.config = config
        self.rows = rows
        self.share_key = (config, rows)
        super().__init__({
            "a": In(Vector(config.word_bits, rows)),
            "w": In(Vector(config.word_bits, config.cols)),
            **dict.fromkeys(strobes(config), In(1)),
            "sums": Out(Vector(config.drain_bits, rows)),
            "w_next": Out(Vector(config.word_bits, config.cols)),
            **{f"{name}_next": Out(1) for name in strobes(config)},
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.rows <= self.config.rows_per_tile:
            self._tiles(m)
        else:
            last = stack(m, self, [getattr(self, name) for name in strobes(self.config)], self.sums)
            m.d.comb += [getattr(self, name).eq(getattr(last, name))
                         for name in ("w_next", *(f"{strobe}_next" for strobe in strobes(self.config)))]
        return m

    def _tiles(self, m: Module) -> None:
        size = self.config.tile
        tiles = [Tile(config=self.config, rows=self.rows, cols=min(size, self.config.cols - first))
                 for first in range(0, self.config.cols, size)]
        for j, tile in enumerate(tiles):
            add_shared(m, f"tile_{j}", tile)
            left = tiles[j - 1] if j else None
            for r in range(self.rows):
                m.d.comb += [
                    tile.a[r].eq(left.a_next[r] if left else self.a[r]),
                    (left.neighbour[r] if left else self.sums[r]).eq(tile.result[r]),
                ]
            m.d.comb += [getattr(tile, name).eq(getattr(left, f"{name}_next") if left else getattr(self, name))
                         for name in strobes(self.config)]
        m.d.comb += [
            Cat(tile.w for tile in tiles).eq(self.w),
            self.w_next.eq(Cat(tile.w_next for tile in tiles)),
            *(getattr(self, f"{name}_next").eq(getattr(tiles[0], f"{name}_next")) for name in strobes(self.config)),
        ]


def stack(m: Module, whole: "Rows | Array", marks: list[Value], sums: Value) -> Rows:
    """Stack the rows of ``whole`` in a module, in portions that are equal but for the last; returns the last.

    ``marks`` are the strobes of the first tile.
    """
    names = strobes(whole.config)
    words = whole.w
    for number, rows in enumerate(portions(len(whole.a), whole.config.rows_per_tile)):
        part = Rows(config=whole.config, rows=rows.stop - rows.start)
        add_shared(m, f"rows_{number}", part)
        m.d.comb += [
            part.a.eq(whole.a[rows]),
            part.w.eq(words),
            *(getattr(part, name).eq(mark) for name, mark in zip(names, marks, strict=True)),
            sums[rows].eq(part.sums),
        ]
        words, marks = part.w_next, [getattr(part, f"{name}_next") for name in names]
    return part


class Array(wiring.Component):
    """R x C processing elements.

    Words enter at the left and at the top, skewed: the words of tile row i and of tile column j come i and j cycles
    after the first words. ``first`` comes a cycle before the first count of a dot product in the first tile,
    ``load`` in the cycle of its last count, ``shift`` a cycle before its count; the tiles pass them on. The sums of a
    row leave at its left end in the order of the columns, ``drain_width`` in a cycle, in tile row i from i + 2 cycles
    after ``load`` on; an idle cycle follows the sums of each tile.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    a : In(word_bits), one for each row; w : In(word_bits), one for each column
    first, load, shift : In(1)
        See `hdl.array.pe.strobes`.
    sums : Out(drain_bits), one for each row
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = self.share_key = config
        super().__init__({
            "a": In(Vector(config.word_bits, config.rows)),
            "w": In(Vector(config.word_bits, config.cols)),
            **dict.fromkeys(strobes(config), In(1)),
            "sums": Out(Vector(config.drain_bits, config.rows)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # no reset, as behind the tiles: the strobes of a stopped run leave the array before the next run begins
        marks: dict[str, Value] = {name: Signal(name=name, reset_less=True) for name in strobes(self.config)}
        sums = Signal.like(self.sums)
        stack(m, self, list(marks.values()), sums)
        # where sums are taken early, first and load lose their register, and the sums get it
        early, late = (m.d.comb, m.d.sync) if takes_sums_early(platform, self.config) else (m.d.sync, m.d.comb)
        early += [marks["first"].eq(self.first), marks["load"].eq(self.load)]
        if self.config.accumulator_shift:
            m.d.sync += marks["shift"].eq(self.shift)
        late += self.sums.eq(sums)
        return m
