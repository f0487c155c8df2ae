"""The array: tiles of processing elements with registers between them, and the drain along every row."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ArrayConfig
from .pe import ProcessingElement
from .share import place

__all__ = ["Array", "Tile", "TileRow"]


class Tile(wiring.Component):
    """Processing elements that share their words, and the registers that hand the words on to the next tiles.

    Parameters
    ----------
    config : ArrayConfig
    rows, cols : int
        Size of this tile, at most ``config.tile`` each.

    Members
    -------
    a : In(word_bits), one for each row; w : In(word_bits), one for each column
        Activation and weight words.
    first, load : In(1)
        See `ProcessingElement`.
    neighbour, result : In(acc_bits), Out(acc_bits), one for each row
        The drain chain, from the tile on the right and to the tile on the left.
    a_next, w_next, first_next, load_next : Out
        The same signals one cycle later.
    """

    def __init__(self, *, config: ArrayConfig, rows: int, cols: int) -> None:
        self.config = config
        self.rows = rows
        self.cols = cols
        self.share_key = (config.lanes, config.element_bits, config.pipeline, config.acc_bits, rows, cols)
        super().__init__({
            "a": In(config.word_bits).array(rows),
            "w": In(config.word_bits).array(cols),
            "first": In(1),
            "load": In(1),
            "neighbour": In(config.acc_bits).array(rows),
            "result": Out(config.acc_bits).array(rows),
            "a_next": Out(config.word_bits).array(rows),
            "w_next": Out(config.word_bits).array(cols),
            "first_next": Out(1),
            "load_next": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for r in range(self.rows):
            neighbour = self.neighbour[r]
            for c in reversed(range(self.cols)):
                pe = ProcessingElement(config=self.config)
                place(m, f"pe_{r}_{c}", pe)
                m.d.comb += [
                    pe.a.eq(self.a[r]),
                    pe.w.eq(self.w[c]),
                    pe.first.eq(self.first),
                    pe.load.eq(self.load),
                    pe.neighbour.eq(neighbour),
                ]
                neighbour = pe.result
            m.d.comb += self.result[r].eq(neighbour)
            m.d.comb += self.a_next[r].eq(self._register(m, self.a[r], f"a{r}"))
        for c in range(self.cols):
            m.d.comb += self.w_next[c].eq(self._register(m, self.w[c], f"w{c}"))
        m.d.sync += [self.first_next.eq(self.first), self.load_next.eq(self.load)]
        return m

    @staticmethod
    def _register(m: Module, word: Value, name: str) -> Signal:
        register = Signal(len(word), name=name, reset_less=True)
        m.d.sync += register.eq(word)
        return register


class TileRow(wiring.Component):
    """A row of tiles, each of which hands the activation words on to the next one, and the weight words to the row below.

    Parameters
    ----------
    config : ArrayConfig
    rows : int
        Rows of each tile, at most ``config.tile``.

    Members
    -------
    a : In(word_bits), one for each row; w : In(cols * word_bits)
        Activation words; weight words, that of the first column lowest.
    first, load : In(1)
        Those of the first tile.
    sums : Out(acc_bits), one for each row
    w_next, first_next, load_next : Out
        What the row below takes: the words one cycle later, and ``first`` and ``load`` behind the first tile.
    """

    def __init__(self, *, config: ArrayConfig, rows: int) -> None:
        self.config = config
        self.rows = rows
        self.share_key = (config, rows)
        super().__init__({
            "a": In(config.word_bits).array(rows),
            "w": In(config.cols * config.word_bits),
            "first": In(1),
            "load": In(1),
            "sums": Out(config.acc_bits).array(rows),
            "w_next": Out(config.cols * config.word_bits),
            "first_next": Out(1),
            "load_next": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, size = self.config, self.config.tile
        tiles = [Tile(config=config, rows=self.rows, cols=min(size, config.cols - j * size))
                 for j in range(config.tile_cols)]
        for j, tile in enumerate(tiles):
            place(m, f"tile_{j}", tile)
            left = tiles[j - 1] if j else None
            for r in range(self.rows):
                m.d.comb += [
                    tile.a[r].eq(left.a_next[r] if left else self.a[r]),
                    (left.neighbour[r] if left else self.sums[r]).eq(tile.result[r]),
                ]
            m.d.comb += [
                tile.first.eq(left.first_next if left else self.first),
                tile.load.eq(left.load_next if left else self.load),
            ]
        m.d.comb += [
            Cat(word for tile in tiles for word in tile.w).eq(self.w),
            self.w_next.eq(Cat(word for tile in tiles for word in tile.w_next)),
            self.first_next.eq(tiles[0].first_next),
            self.load_next.eq(tiles[0].load_next),
        ]
        return m


class Array(wiring.Component):
    """R x C processing elements.

    Words enter at the left and at the top, skewed: the words of tile row i and of tile column j come i and j cycles
    after those of the first. ``first`` and ``load`` are those of the first tile; they spread by themselves. The sums
    of a row leave at its left end in the order of the columns, the first one in the cycle after ``load`` reached the
    row's first tile; behind every ``tile`` sums comes one cycle without.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    a : In(word_bits), one for each row; w : In(word_bits), one for each column
    first, load : In(1)
    sums : Out(acc_bits), one for each row
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        super().__init__({
            "a": In(config.word_bits).array(config.rows),
            "w": In(config.word_bits).array(config.cols),
            "first": In(1),
            "load": In(1),
            "sums": Out(config.acc_bits).array(config.rows),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, size = self.config, self.config.tile
        words, first, load = Cat(self.w), self.first, self.load
        for i in range(config.tile_rows):
            row = TileRow(config=config, rows=min(size, config.rows - i * size))
            place(m, f"row_{i}", row)
            m.d.comb += [row.w.eq(words), row.first.eq(first), row.load.eq(load)]
            for r in range(row.rows):
                m.d.comb += [row.a[r].eq(self.a[i * size + r]), self.sums[i * size + r].eq(row.sums[r])]
            words, first, load = row.w_next, row.first_next, row.load_next
        return m
