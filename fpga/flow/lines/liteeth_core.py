"""liteeth's UDP core for gigabit Ethernet: its Verilog, generated on demand, and the core as a unit."""

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from amaranth.hdl import ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from signum.hdl.host.udp_line import datagram_layout

from ..tools import BuildError, ToolError

__all__ = ["CORE", "MOST_DELAY", "RGMII", "LiteEthCore", "core_verilog"]

CORE = "liteeth_core"
MOST_DELAY = 3.175e-9
"""Of the delay line of an ECP5's pin."""

RGMII = {"rx_clk": In(1), "rx_ctl": In(1), "rx_data": In(4), "tx_clk": Out(1), "tx_ctl": Out(1), "tx_data": Out(4)}
"""The pins to a PHY, on an ECP5."""

PADS = {"rx_clk": "clocks_rx", "tx_clk": "clocks_tx"}
OPTIONS = """\
core: udp
vendor: lattice
toolchain: trellis
device: LFE5U-25F-6BG256C
phy: LiteEthECP5PHYRGMII
phy_tx_delay: {tx_delay}
phy_rx_delay: {rx_delay}
clk_freq: {clock}
data_width: 32
mac_address: {mac}
ip_address: {address}
udp_ports:
  tx: {{mode: raw, data_width: 32}}
  rx: {{mode: raw, data_width: 32}}
"""
GENERATOR = "signum.fpga.flow.lines.liteeth_generator"
GET = f"{sys.executable} -m pip install 'signum[ethernet]'"


def core_verilog(*, clock: float, address: str, mac: int, tx_delay: float, rx_delay: float) -> str:
    """Verilog of module `CORE`, the same text for the same parameters.

    Parameters
    ----------
    clock : float
        Frequency of the core in Hz, by which it measures time; more than 31.25 MHz, at 4 bytes a cycle.
    address : str
        IPv4 address.
    mac : int
        MAC address, 48 bits.
    tx_delay, rx_delay : float
        Seconds by which RGMII's clock to the PHY, and its data from there, are delayed.

    Raises
    ------
    ToolError
        If liteeth is missing.
    BuildError
        If it fails.
    """
    if find_spec("liteeth") is None:
        raise ToolError(f"liteeth is missing (Ethernet): {GET}")
    options = OPTIONS.format(clock=round(clock), mac=hex(mac), address=address, tx_delay=tx_delay, rx_delay=rx_delay)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "core.yml").write_text(options)
        run = subprocess.run([sys.executable, "-m", GENERATOR, "core.yml", "--name", CORE, "--output-dir", "."],
                             cwd=folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        if run.returncode:
            raise BuildError(f"liteeth: {(run.stdout.strip() or 'no output').splitlines()[-1]}")
        text = (folder / "gateware" / f"{CORE}.v").read_text()
    # the date and the path of the generator's comments are no part of it
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL).strip() + "\n"


class LiteEthCore(wiring.Component):
    """liteeth's core: ARP, ping, and datagrams of one UDP port.

    Without pauses of ``sent`` and ``received`` it carries datagrams at the rate of the network in both directions;
    ``received`` must be ready in each cycle and ``sent`` valid until the last word of a datagram, or data are lost.
    A receiver must check ``length``, which is 0 for an empty datagram, whose one word is none of it.

    Of the faults of liteeth 2024.12 remain: a datagram of less than 15 bytes (in a frame that is filled up) whose check
    sequence is wrong is passed on; a later fragment of a datagram is taken for a datagram if it begins with a UDP
    header of this port; a datagram whose length is not that of its packet costs the next one; and after a frame of 57
    to 59 bytes without its check sequence, the next one is not padded.

    Parameters
    ----------
    port : int
        The UDP port.

    Members
    -------
    received : Out(stream.Signature(datagram_layout))
        Datagrams to the port.
    sent : In(stream.Signature(datagram_layout))
        Datagrams from the port.
    further members
        The pins `RGMII`.
    """

    def __init__(self, *, port: int) -> None:
        self.port = port
        super().__init__({
            "received": Out(stream.Signature(datagram_layout)),
            "sent": In(stream.Signature(datagram_layout)),
            **RGMII,
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pins = {f"{'i' if member.flow == In else 'o'}_rgmii_{PADS.get(name, name)}": getattr(self, name)
                for name, member in RGMII.items()}
        error = Signal()
        # A port of liteeth takes the datagrams whose port is that to which it sends. With two ports, the second one
        # goes before the first; the first sends to any port, the second to its own, and nothing is sent there.
        m.submodules.core = Instance(
            CORE,
            i_sys_clock=ClockSignal(),
            i_sys_reset=ResetSignal(),
            **pins,
            i_tx_sink_valid=self.sent.valid,
            o_tx_sink_ready=self.sent.ready,
            i_tx_sink_data=self.sent.p.data,
            i_tx_sink_last=self.sent.p.last,
            i_tx_sink_last_be=self.sent.p.last_byte,
            i_tx_sink_length=self.sent.p.length,
            i_tx_sink_ip_address=self.sent.p.address,
            i_tx_sink_dst_port=self.sent.p.port,
            i_tx_sink_src_port=Const(self.port, 16),
            i_tx_source_ready=Const(1),
            i_rx_sink_valid=Const(0),
            i_rx_sink_data=Const(0, 32),
            i_rx_sink_last=Const(0),
            i_rx_sink_last_be=Const(0, 4),
            i_rx_sink_length=Const(0, 16),
            i_rx_sink_ip_address=Const(0, 32),
            i_rx_sink_dst_port=Const(self.port, 16),
            i_rx_sink_src_port=Const(0, 16),
            o_rx_source_valid=self.received.valid,
            i_rx_source_ready=self.received.ready,
            o_rx_source_data=self.received.p.data,
            o_rx_source_last=self.received.p.last,
            o_rx_source_last_be=self.received.p.last_byte,
            o_rx_source_length=self.received.p.length,
            o_rx_source_ip_address=self.received.p.address,
            o_rx_source_src_port=self.received.p.port,
            o_rx_source_error=error,
        )
        m.d.comb += self.received.p.error.eq(error)
        return m
