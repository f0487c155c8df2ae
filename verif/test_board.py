"""The board's top: accelerator, bridge and serial port together, through the pins."""

from fpga.board import BoardTop
from hdl.bus import MAGIC, VERSION, AddressMap, Region, Register, config_registers
from hdl.config import ArrayConfig
from verif.simulate import simulate

CLOCK, BAUD = 1e6, 250_000
CONFIG = ArrayConfig(rows=2, cols=3, lanes=40, tile=2, acc_bits=8, sum_bits=10, weight_depth=16,
                     activation_depth=32, threshold_depth=16, program_depth=16, walks=1)


def test_the_pins_reach_the_registers_and_the_memories():
    layout = AddressMap(CONFIG)
    top = BoardTop(config=CONFIG, clock=CLOCK, baud=BAUD)
    config = {place: CONFIG.to_dict()[name] for name, place in config_registers(CONFIG).items()}
    results = [layout.address(Region.THRESHOLDS, unit=row) for row in range(2)]
    maps = [layout.address(Region.ACTIVATIONS, unit=row) for row in range(2)]
    step = layout.slices                            # addresses from word to word
    registers = [layout.address(Region.REGISTERS, word=word) for word in (Register.MAGIC, Register.VERSION)]
    requests = [
        *((place, 1) for place in registers),
        *((layout.address(Region.REGISTERS, word=word), 1) for word in config),
        *((results[0] + i * step, [100 + i]) for i in range(3)),
        *((results[1] + i * step, [200 + i]) for i in range(3)),
        *((place + i * step, 1) for place in results for i in range(3)),
        (maps[0], [0x12345678, 0x9A, 0xDEADBEEF, 0x55]),
        (maps[1], [1, 2, 3, 4]),
        *((place, 4) for place in maps),
    ]
    result = simulate(top, "verif.bench_board", parameters={
        "clock": CLOCK, "divisor": top.divisor, "requests": requests})
    words = result.values["words"]
    assert words[:2] == [[MAGIC], [VERSION]]
    assert [word for [word] in words[2:2 + len(config)]] == list(config.values())
    assert [word for [word] in words[-8:-2]] == [100, 101, 102, 200, 201, 202]
    assert words[-2:] == [[0x12345678, 0x9A, 0xDEADBEEF, 0x55], [1, 2, 3, 4]]
    assert result.values["retries"] == 0
