"""The array: tiles of processing elements with registers between them, and the drain along every row."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ArrayConfig
from .pe import ProcessingElement
from .share import place

__all__ = ["Array", "Tile"]


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
        tiles = {}
        for i in range(config.tile_rows):
            for j in range(config.tile_cols):
                tile = Tile(config=config, rows=min(size, config.rows - i * size),
                            cols=min(size, config.cols - j * size))
                tiles[i, j] = tile
                place(m, f"tile_{i}_{j}", tile)
        for (i, j), tile in tiles.items():
            left, above = tiles.get((i, j - 1)), tiles.get((i - 1, j))
            for r in range(tile.rows):
                m.d.comb += tile.a[r].eq(left.a_next[r] if left else self.a[i * size + r])
                if left:
                    m.d.comb += left.neighbour[r].eq(tile.result[r])
                else:
                    m.d.comb += self.sums[i * size + r].eq(tile.result[r])
            for c in range(tile.cols):
                m.d.comb += tile.w[c].eq(above.w_next[c] if above else self.w[j * size + c])
            before = left or above
            m.d.comb += [
                tile.first.eq(before.first_next if before else self.first),
                tile.load.eq(before.load_next if before else self.load),
            ]
        return m
