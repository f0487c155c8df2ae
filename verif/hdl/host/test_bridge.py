"""The bridge against a host, a memory, and a line with every kind of fault."""

import pytest

from signum.hdl.host.bridge import Bridge
from signum.verif.bench.simulate import simulate

TESTS = 10


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_bridge(stall):
    values = {"address_bits": 13, "quiet": 60, "stall": stall}
    result = simulate(Bridge(address_bits=13, quiet=60), "signum.verif.bench.bench_bridge", parameters=values)
    assert len(result.tests) == TESTS


@pytest.mark.parametrize(("values", "message"), [
    ({"address_bits": 0, "quiet": 60}, "address_bits must be 1 to 32, not 0"),
    ({"address_bits": 33, "quiet": 60}, "address_bits must be 1 to 32, not 33"),
    ({"address_bits": 8, "quiet": 1}, "quiet must be an integer of at least 2, not 1"),
])
def test_parameters_out_of_range(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Bridge(**values)
