"""The accelerator: array, banks, row ends and sequencer behind one bus."""

from amaranth.hdl import Array as Choice
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .array import Array
from .border import Border
from .bus import DATA_BITS, MAGIC, VERSION, AddressMap, Region, Register, bus_signature, config_registers
from .config import ArrayConfig
from .drain import Drain
from .isa import Isa, LayerFlag, flag_of
from .memory import Bank
from .packer import Packer
from .pool import Pool
from .requantize import Requantize
from .row_address import RowAddress
from .sequencer import Sequencer
from .share import place
from .threshold import ThresholdUnit, combine_layout
from .writer import Writer

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """A systolic array, of bits or of elements of 8 bits, that runs a program by itself.

    The host writes program, weights, thresholds and input maps over the bus (see `hdl.bus`), sets `Control.START`,
    waits until `Status.BUSY` is clear and reads the results. While a program runs, only the registers answer; other
    requests wait.

    Parameters
    ----------
    config : ArrayConfig

    Members
    -------
    bus : In(bus_signature)
    busy : Out(1)
        A program runs.
    """

    def __init__(self, *, config: ArrayConfig) -> None:
        self.config = config
        self.map = AddressMap(config)
        super().__init__({"bus": In(bus_signature(self.map.address_bits)), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        isa = Isa(config)
        m.submodules.sequencer = self.sequencer = Sequencer(config=config)
        m.submodules.array = self.array = Array(config=config)
        m.submodules.drain = self.drain = Drain(config=config)
        m.submodules.pool = self.pool = Pool(rows=config.rows, cols=config.cols, bits=config.element_bits)
        m.submodules.packer = self.packer = Packer(rows=config.rows, lanes=config.lanes, bits=config.element_bits)
        m.submodules.writer = self.writer = Writer(config=config)
        self.program = Bank(width=isa.word_bits, depth=config.program_depth)
        self.weights = [Bank(width=config.word_bits, depth=config.weight_depth) for _ in range(config.cols)]
        self.activations = [Bank(width=config.word_bits, depth=config.activation_depth) for _ in range(config.rows)]
        self.addresses = [RowAddress(config=config) for _ in range(config.rows)]
        self.thresholds = [ThresholdUnit(config=config) for _ in range(config.rows)]
        place(m, "program", self.program)
        for c in range(config.cols):
            place(m, f"weights_{c}", self.weights[c])
        for r in range(config.rows):
            place(m, f"activations_{r}", self.activations[r])
            place(m, f"address_{r}", self.addresses[r])
            place(m, f"threshold_{r}", self.thresholds[r])
        if config.requantize_depth:
            self.coefficients = [Bank(width=width, depth=config.requantize_depth)
                                 for width in (config.scale_bits, config.offset_bits)]
            for name, bank in zip(("scales", "offsets"), self.coefficients, strict=True):
                place(m, name, bank)
        # while no program runs, the host's address takes the place of the walk's
        self.host_word = Signal(self.map.word_bits)
        m.d.comb += self.busy.eq(self.sequencer.busy)
        self._front(m)
        self._back(m)
        self._host(m)
        return m

    def _front(self, m: Module) -> None:
        """From the sequencer through the banks into the array, tile row by tile row and tile column by tile column."""
        config, sequencer, array = self.config, self.sequencer, self.array
        pixel = Signal(data.StructLayout({
            "take": 1, "clear": 1, "fill": 1, "fill_all": 1, "fill_row": sequencer.fill_row.shape(),
            "next": data.ArrayLayout(config.activation_bits, config.walks)}))
        step = Signal(data.StructLayout({"offset": config.activation_bits, "walk": sequencer.walk.shape()}))
        m.d.comb += [
            pixel.take.eq(sequencer.take),
            pixel.clear.eq(~sequencer.busy),
            pixel.fill.eq(sequencer.fill),
            pixel.fill_all.eq(sequencer.fill_all),
            pixel.fill_row.eq(sequencer.fill_row),
            Cat(pixel.next[i] for i in range(config.walks)).eq(Cat(sequencer.fill_next)),
            step.offset.eq(Mux(sequencer.busy, sequencer.offset, self.host_word)),
            step.walk.eq(sequencer.walk),
        ]
        pixels = skew(m, pixel, config.tile_rows, "pixel")
        steps = skew(m, step, config.tile_rows, "step")
        for r, address in enumerate(self.addresses):
            here, at = pixels[r // config.tile], steps[r // config.tile]
            m.d.comb += [
                address.take.eq(here.take),
                address.clear.eq(here.clear),
                address.fill.eq(here.fill & (here.fill_all | (here.fill_row == r))),
                Cat(address.next).eq(here.next),
                address.offset.eq(at.offset),
                address.walk.eq(at.walk),
                self.activations[r].read_address.eq(address.address),
                array.a[r].eq(self.activations[r].read_data),
            ]
        weights = skew(m, sequencer.weight, config.tile_cols, "weight")
        for c, bank in enumerate(self.weights):
            m.d.comb += [bank.read_address.eq(weights[c // config.tile]), array.w[c].eq(bank.read_data)]
        m.d.comb += [
            self.program.read_address.eq(sequencer.program_address),
            sequencer.program_data.eq(self.program.read_data),
            array.first.eq(delay(m, sequencer.first, 1 + config.pipeline, "first")),
        ]
        # the bank and the popcount, then the accumulator
        counted = delay(m, sequencer.last, 1 + config.pipeline, "last")
        m.d.comb += [array.load.eq(delay(m, counted, 1, "load")), self.drain.strobe.eq(counted)]

    def _back(self, m: Module) -> None:
        """From the array's rows through the threshold units, all rows in step again, to the writer."""
        config, layer, begin = self.config, self.sequencer.layer, self.sequencer.begin
        drain = self.drain
        beat = delay(m, drain.beat, config.requantize_cycles, "beat")
        m.d.comb += [
            drain.layer.eq(layer), drain.begin.eq(begin),
            self.writer.layer.eq(layer), self.writer.begin.eq(begin), self.packer.begin.eq(begin),
        ]
        channel = skew(m, beat.channel, config.tile_rows, "channel")
        operands = self._operands(m)
        pixels = self._borders(m)
        later = delay(m, beat, 1, "combine")
        combine = Signal(combine_layout(config))
        m.d.comb += [
            combine.channel.eq(later.channel),
            combine.address.eq(Mux(self.busy, later.address, self.host_word)),
            combine.keep.eq(later.keep),
            combine.double.eq(later.double),
            combine.enable.eq(later.enable),
            combine.store.eq(later.valid & later.out & later.raw),
        ]
        combines = skew(m, combine, config.tile_rows, "combine")
        for r, unit in enumerate(self.thresholds):
            i = r // config.tile
            m.d.comb += [
                unit.channel.eq(channel[i]),
                unit.sum.eq(operands[r]),
                unit.combine.eq(combines[i]),
                unit.take.eq(pixels[i].take),
                unit.clear.eq(pixels[i].clear),
                unit.fill.eq(pixels[i].fill & (pixels[i].fill_all | (pixels[i].fill_row == r))),
                unit.offset.eq(pixels[i].offset),
                self.pool.i[r].eq(delay(m, unit.element, config.tile_rows - 1 - i, f"element{r}")),
                self.packer.elements[r].eq(self.pool.o[r]),
            ]
        out = delay(m, later, 1 + config.tile_rows, "out")
        m.d.comb += [
            self.pool.enable.eq(out.enable & out.out),
            self.pool.first.eq(out.first_window),
            self.packer.insert.eq(out.valid & out.out & out.last_window & ~out.raw),
            self.packer.end.eq(out.end),
            self.writer.flush.eq(self.packer.flush),
            self.writer.flush_end.eq(self.packer.flush_end),
        ]
        for r, bank in enumerate(self.activations):
            m.d.comb += [
                self.writer.words[r].eq(self.packer.words[r]),
                bank.write_address.eq(self.writer.address),
                bank.write_data.eq(self.writer.data[r]),
            ]

    def _operands(self, m: Module) -> list:
        """What the threshold unit of each row combines: the row's sums, or the levels of a residual layer."""
        config = self.config
        sums = [self.array.sums[r] for r in range(config.rows)]
        if not config.requantize_depth:
            return sums
        number = Signal(data.StructLayout({"scale": config.scale_bits, "offset": config.offset_bits}))
        for bank in self.coefficients:
            m.d.comb += bank.read_address.eq(self.drain.coefficient)
        m.d.comb += Cat(number.scale, number.offset).eq(Cat(bank.read_data for bank in self.coefficients))
        numbers = skew(m, number, config.tile_rows, "number")
        operands = []
        for r, value in enumerate(sums):
            unit = Requantize(config=config)
            place(m, f"requantize_{r}", unit)
            m.d.comb += [
                unit.sum.eq(value),
                unit.scale.eq(numbers[r // config.tile].scale),
                unit.offset.eq(numbers[r // config.tile].offset),
                unit.enable.eq(flag_of(self.sequencer.layer, LayerFlag.RESIDUAL)),
            ]
            operands.append(unit.operand)
        return operands

    def _borders(self, m: Module) -> list:
        """The border classes of the pixels, for the threshold units of each tile row; nothing without zero padding."""
        config, sequencer = self.config, self.sequencer
        pixel = Signal(data.StructLayout({
            "take": 1, "clear": 1, "fill": 1, "fill_all": 1, "fill_row": sequencer.fill_row.shape(),
            "offset": config.threshold_bits}))
        if config.zero_padding:
            group = delay(m, self.drain.group, config.requantize_cycles, "group")
            m.submodules.border = border = Border(config=config)
            m.d.comb += [
                border.layer.eq(sequencer.layer),
                border.begin.eq(sequencer.begin),
                border.take.eq(group),
                pixel.take.eq(group),
                pixel.clear.eq(sequencer.begin | ~self.busy),
                pixel.fill.eq(border.fill),
                pixel.fill_all.eq(border.fill_all),
                pixel.fill_row.eq(border.fill_row),
                pixel.offset.eq(border.offset),
            ]
        return skew(m, pixel, config.tile_rows, "border")

    def _host(self, m: Module) -> None:
        """Requests of the bus, one after the other."""
        config, request, response = self.config, self.bus.request, self.bus.response
        address = request.payload.address
        part, word, unit, region = split_address(self.map, address)
        write = Signal()
        # an address reaches the last tile row after a cycle for each, and the word comes after two more
        waited = Signal(range(config.tile_rows + 3))
        settled, done = Signal(), Signal()
        chosen = Signal(DATA_BITS)
        registers = Signal()
        direct = Signal()
        m.d.comb += [
            self.host_word.eq(word),
            registers.eq(region == Region.REGISTERS),
            # these are written without a walk through the rows
            direct.eq(registers | request.payload.write & (region != Region.THRESHOLDS)
                      & (region != Region.ALL_THRESHOLDS)),
            settled.eq(direct | (waited == config.tile_rows + 2)),
            done.eq(request.valid & settled & (registers | ~self.busy) & (request.payload.write | ~response.valid)),
            request.ready.eq(done),
            write.eq(done & request.payload.write),
        ]
        with m.If(request.valid & ~self.busy & ~settled):
            m.d.sync += waited.eq(waited + 1)
        with m.Elif(done | self.busy):
            m.d.sync += waited.eq(0)
        with m.If(response.valid & response.ready):
            m.d.sync += response.valid.eq(0)
        with m.If(done & ~request.payload.write):
            m.d.sync += [response.valid.eq(1), response.payload.eq(chosen)]

        self._host_writes(m, write, part, unit, region)
        slices = Choice(self.activations[r].read_data[s * DATA_BITS:(s + 1) * DATA_BITS]
                        for r in range(config.rows) for s in range(self.map.slices))
        results = Choice(self.thresholds[r].host_read for r in range(config.rows))
        register = self._registers(m, write & registers, word)
        with m.Switch(region):
            with m.Case(Region.ACTIVATIONS):
                m.d.comb += chosen.eq(slices[unit * self.map.slices + part])
            with m.Case(Region.THRESHOLDS):
                m.d.comb += chosen.eq(results[unit])
            with m.Default():
                m.d.comb += chosen.eq(register)

    def _host_writes(self, m: Module, write: Value, part: Value, unit: Value, region: Value) -> None:
        config, payload = self.config, self.bus.request.payload
        word = self.host_word
        wide = Cat([payload.data] * self.map.slices)[:config.word_bits]
        m.d.comb += [
            self.program.write_address.eq(word),
            self.program.write_data.eq(payload.data),
            self.program.write.eq(write & (region == Region.PROGRAM)),
            self.writer.host.eq(~self.busy),
            self.writer.host_address.eq(word),
            self.writer.host_data.eq(wide),
        ]
        slices = Cat(part == s for s in range(self.map.slices))
        for c, bank in enumerate(self.weights):
            chosen = write & (region == Region.WEIGHTS) & (unit == c)
            m.d.comb += [bank.write_address.eq(word), bank.write_data.eq(wide),
                         bank.write.eq(Mux(chosen, slices, 0))]
        for i, bank in enumerate(self.coefficients if config.requantize_depth else ()):
            m.d.comb += [bank.write_address.eq(word), bank.write_data.eq(payload.data),
                         bank.write.eq(write & (region == Region.COEFFICIENTS) & (unit == i))]
        for r in range(config.rows):
            mine = unit == r
            thresholds = (region == Region.ALL_THRESHOLDS) | (region == Region.THRESHOLDS) & mine
            activations = write & ((region == Region.ALL_ACTIVATIONS) | (region == Region.ACTIVATIONS) & mine)
            own = Mux(self.writer.write, ~Const(0, self.map.slices), 0)
            m.d.comb += [
                self.thresholds[r].host_write.eq(write & thresholds),
                self.thresholds[r].host_data.eq(payload.data),
                self.activations[r].write.eq(own | Mux(activations, slices, 0)),
            ]

    def _registers(self, m: Module, write: Value, word: Value) -> Value:
        """Read value of a register; begins runs, and counts them and their cycles."""
        cycles, runs = Signal(32), Signal(8)
        start = write & (word == Register.CONTROL) & self.bus.request.payload.data[0]
        m.d.comb += self.sequencer.start.eq(start)
        with m.If(start & ~self.busy):
            m.d.sync += [cycles.eq(0), runs.eq(runs + 1)]
        with m.Elif(self.busy):
            m.d.sync += cycles.eq(cycles + 1)
        fixed: dict[int, int] = {Register.MAGIC: MAGIC, Register.VERSION: VERSION}
        values = self.config.to_dict()
        fixed |= {place: values[name] for name, place in config_registers(self.config).items()}
        value = Signal(DATA_BITS)
        low = max(fixed).bit_length()
        # one comparison of the upper bits for all
        with m.If(word[low:] == 0), m.Switch(word[:low]):
            for at, constant in fixed.items():
                with m.Case(at):
                    m.d.comb += value.eq(constant)
            for at, signal in ((Register.STATUS, self.busy), (Register.CYCLES, cycles), (Register.RUNS, runs)):
                with m.Case(at):
                    m.d.comb += value.eq(signal)
        return value


def split_address(map_: AddressMap, address: Value) -> tuple[Value, Value, Value, Value]:
    """Slice, word, unit and region of a bus address, as in `AddressMap.place`."""
    fields = []
    for bits in (map_.slice_bits, map_.word_bits, map_.unit_bits, map_.REGION_BITS):
        fields.append(address[:bits])
        address = address[bits:]
    return fields[0], fields[1], fields[2], fields[3]


def delay(m: Module, value, cycles: int, name: str):
    """The value some cycles later, of the same shape."""
    for i in range(cycles):
        later = Signal(value.shape(), name=f"{name}_d{i + 1}")
        m.d.sync += later.eq(value)
        value = later
    return value


def skew(m: Module, value, count: int, name: str) -> list:
    """The value now, one cycle later, and so on: ``count`` of them, one for each tile row or column."""
    values = [value]
    for i in range(1, count):
        values.append(delay(m, values[-1], 1, f"{name}_{i}"))
    return values
