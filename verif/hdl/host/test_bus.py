"""The address map: no address twice, and each memory in its region."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from signum.hdl.config import ArrayConfig
from signum.hdl.host.bus import (
    DATA_BITS,
    FAULT_BIT,
    TABLE_AT,
    AddressMap,
    Location,
    Region,
    Register,
    WrongWord,
    bus_signature,
    config_fields,
    config_registers,
    config_words,
    request_layout,
    stream_registers,
)


@st.composite
def configs(draw: st.DrawFn) -> ArrayConfig:
    sizes = {name: draw(st.integers(1, 100)) for name in ("rows", "cols", "lanes")}
    depths = {name: draw(st.integers(1, 3000)) for name in
              ("weight_depth", "activation_depth", "threshold_depth", "program_depth")}
    return ArrayConfig(**sizes, **depths)


@given(config=configs(), region=st.sampled_from(Region), picks=st.tuples(*[st.floats(0, 0.999)] * 3))
def test_an_address_is_taken_apart_as_it_was_put_together(config: ArrayConfig, region: Region,
                                                          picks: tuple[float, float, float]) -> None:
    layout = AddressMap(config)
    units, words = max(config.rows, config.cols), max(config.weight_depth, config.activation_depth)
    unit, word, part = (int(pick * limit) for pick, limit in
                        zip(picks, (units, words, layout.slices), strict=True))
    address = layout.address(region, unit=unit, word=word, slice=part)
    assert 0 <= address < 2**layout.address_bits
    assert layout.decode(address) == Location(region, unit, word, part)


def test_fields_of_an_address_from_the_least_significant_bit() -> None:
    layout = AddressMap(ArrayConfig(rows=3, cols=2, lanes=70, weight_depth=16, activation_depth=16,
                                    threshold_depth=16, program_depth=64, requantize_depth=32))
    # 70 lanes are three slices (2 bits), 64 words (6 bits), three rows (2 bits)
    assert layout.slices == 3
    assert layout.address(Region.REGISTERS, slice=1) == 1
    assert layout.address(Region.REGISTERS, word=1) == 1 << 2
    assert layout.address(Region.REGISTERS, unit=1) == 1 << 8
    assert layout.address(Region(1)) == 1 << 10
    assert layout.address_bits == 13


def test_the_smallest_array_still_has_room_for_its_registers() -> None:
    layout = AddressMap(ArrayConfig(rows=1, cols=1, lanes=1, weight_depth=1, activation_depth=1,
                                    threshold_depth=1, program_depth=1))
    last = max(config_registers().values())
    assert layout.decode(layout.address(Region.REGISTERS, word=last)) == Location(Region.REGISTERS, 0, last, 0)


def test_each_parameter_has_bits_of_its_own() -> None:
    places = config_fields()
    assert set(places) == {field.name for field in dataclasses.fields(ArrayConfig)}
    live = [Register.MAGIC, Register.VERSION, Register.STATUS, Register.CYCLES, Register.RUNS, Register.ANSWER]
    bits = [(place.word, place.offset + bit) for place in places.values() for bit in range(place.bits)]
    bits += [(int(register), bit) for register in live for bit in range(DATA_BITS)]
    # and those of the wrong word
    bits += [(int(Register.PARITY), bit) for bit in range(FAULT_BIT, DATA_BITS)]
    assert len(set(bits)) == len(bits)


def test_the_words_of_a_configuration() -> None:
    config = ArrayConfig.preset("tiny").replace(parity=1, gate=1, input_depth=64, input_planes=2, input_tables=5,
                                                answer_ranks=1)
    words = config_words(config)
    assert {name: words[word] >> offset & (1 << bits) - 1 for name, (word, offset, bits) in config_fields().items()
            } == config.to_dict()
    assert words[Register.CONTROL] == 1 | 5 << 1
    shared = config.replace(gate=0, zero_padding=0, threshold_depth=48, raw_depth=16)
    assert config_words(shared)[Register.CONTROL] == 5 << 1 | 16 << 5
    assert str(WrongWord(Region.ALL_THRESHOLDS, 0, 7)) == "word 7 of the thresholds of all rows"


def test_the_tables_of_the_input_lie_behind_the_registers() -> None:
    for tables in (1, 3, 8):
        config = ArrayConfig(rows=1, cols=1, lanes=8, input_depth=64, input_planes=2, input_tables=tables,
                             answer_ranks=1, weight_depth=1, activation_depth=1, threshold_depth=1, program_depth=1)
        layout = AddressMap(config)
        assert max(place.word for place in stream_registers(config).values()) < TABLE_AT
        last = TABLE_AT + 256 * tables - 1
        assert layout.decode(layout.address(Region.REGISTERS, word=last)).word == last


def test_the_bus_is_two_streams() -> None:
    signature = bus_signature(10)
    assert request_layout(10).size == 1 + 10 + 32
    ports = {"__".join(map(str, path)): member.flow.name
             for path, member, _ in signature.flatten(signature.create())}
    assert ports == {"request__payload": "Out", "request__valid": "Out", "request__ready": "In",
                     "response__payload": "In", "response__valid": "In", "response__ready": "Out"}


def test_an_array_of_one_element_has_two_units_of_coefficients() -> None:
    config = ArrayConfig(rows=1, cols=1, lanes=1, requantize_depth=3)
    layout = AddressMap(config)
    assert layout.decode(layout.address(Region.COEFFICIENTS, unit=1, word=2)) == Location(Region.COEFFICIENTS, 1, 2, 0)
    assert AddressMap(config.replace(requantize_depth=0)).unit_bits == 0


@given(config=configs(), wide=st.integers(1, 3))
def test_following_addresses_are_those_of_the_words_of_a_unit(config: ArrayConfig, wide: int) -> None:
    # the most columns whose words fit one signal
    layout = AddressMap(config.replace(lanes=config.lanes * wide, drain_width=wide, cols=min(config.cols, 64) * wide,
                                       tile=config.tile * wide))
    for region, slices in ((Region.PROGRAM, layout.program_slices), (Region.WEIGHTS, layout.slices),
                           (Region.ALL_THRESHOLDS, wide), (Region.COEFFICIENTS, 1)):
        words = [layout.address(region, word=word, slice=part) for word in range(5) for part in range(slices)]
        assert layout.runs(words) == [(words[0], len(words))]
        assert layout.runs(words[::2]) == [(word, 1) for word in words[::2]]
    assert layout.runs([]) == []
