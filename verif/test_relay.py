"""The relay: every payload once and in order, with pauses on either side."""

import pytest

from hdl.relay import Relay

from .simulate import simulate


@pytest.mark.parametrize(("source_stall", "sink_stall"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.4, 0.4)])
def test_a_relay(source_stall: float, sink_stall: float) -> None:
    result = simulate(Relay(shape=16), "verif.bench_relay", parameters={
        "source_stall": source_stall, "sink_stall": sink_stall, "count": 300})
    values = result.values
    assert values["received"] == values["sent"]
    assert values["cycles"] >= 3 * 300
    if not source_stall and not sink_stall:
        assert values["cycles"] <= 3 * 300 + 3
