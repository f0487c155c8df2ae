"""The transport over USB, on a libusb of our own whose device gives back what it takes."""

import builtins
import re
import sys
import threading
from collections import deque
from contextlib import contextmanager
from types import ModuleType

import pytest

from signum.fpga.flow.lines.usb_line import PRODUCT, PRODUCT_NAME, VENDOR
from signum.fpga.host.link import LinkError
from signum.fpga.host.usb_transport import TRANSFER_BYTES, TRANSFERS, USBTransport

PACKET = 64
COMPLETED, CANCELLED, NO_DEVICE = 0, 3, 5


class Error(Exception):
    """Any error of libusb."""


ERRORS = {name: type(name, (Error,), {}) for name in (
    "USBErrorAccess", "USBErrorBusy", "USBErrorInterrupted", "USBErrorNoDevice", "USBErrorNotFound",
    "USBErrorTimeout")}


class Camel:
    """Methods by the names that libusb1 gives them: ``getStatus`` is ``get_status`` here."""

    def __getattr__(self, name):
        plain = re.sub(r"[A-Z]+", lambda found: f"_{found[0].lower()}", name)
        if plain == name:
            raise AttributeError(name)
        return getattr(self, plain)


class Transfer(Camel):
    """An IN transfer."""

    def __init__(self, device):
        self.device = device
        self.data, self.status, self.submitted = b"", COMPLETED, False

    def set_bulk(self, endpoint, length, callback):
        assert (endpoint, length) == (0x81, TRANSFER_BYTES)
        self.callback = callback

    def submit(self):
        with self.device.changed:
            assert not self.submitted
            if self.device.lost:
                raise ERRORS["USBErrorNoDevice"]("LIBUSB_ERROR_NO_DEVICE [-4]")
            self.submitted = True
            self.device.waiting.append(self)
            self.device.changed.notify_all()

    def cancel(self):
        with self.device.changed:
            if not self.submitted:
                raise ERRORS["USBErrorNotFound"]
            self.device.cancelled.add(self)
            self.device.changed.notify_all()

    def is_submitted(self):
        return self.submitted

    def get_status(self):
        return self.status

    def get_actual_length(self):
        return len(self.data)

    def get_buffer(self):
        return bytearray(self.data.ljust(TRANSFER_BYTES, b"\xAA"))


class Device(Camel):
    """A device and its handle: packets that it takes come back, and a transfer ends with a short one."""

    def __init__(self, vendor=VENDOR, product=PRODUCT, name=PRODUCT_NAME):
        self.ids = vendor, product
        self.name = name
        self.opening = self.claiming = self.writing = None      # errors
        self.changed = threading.Condition()
        self.waiting: deque[Transfer] = deque()
        self.cancelled: set[Transfer] = set()
        self.packets: deque[bytes] = deque()
        self.lost = False
        self.calls = []

    def get_vendor_id(self):
        return self.ids[0]

    def get_product_id(self):
        return self.ids[1]

    def open(self):
        if self.opening:
            raise self.opening
        self.calls.append("open")
        return self

    def close(self):
        assert not self.waiting
        self.calls.append("close")

    def get_product(self):
        return self.name

    @contextmanager
    def claim_interface(self, number):
        assert number == 0
        if self.claiming:
            raise self.claiming
        self.calls.append("claim")
        yield
        self.calls.append("release")

    def clear_halt(self, endpoint):
        self.calls.append(f"clear {endpoint:#x}")

    def get_transfer(self):
        return Transfer(self)

    def bulk_write(self, endpoint, data, timeout):
        assert (endpoint, timeout) == (1, 10_000)
        if self.writing:
            raise self.writing
        self.give(data)

    def give(self, frame):
        """Send a frame to the host."""
        with self.changed:
            self.packets += [frame[start:start + PACKET] for start in range(0, len(frame) + 1, PACKET)]
            self.changed.notify_all()

    def lose(self):
        with self.changed:
            self.lost = True
            self.changed.notify_all()

    def next_event(self):
        """Wait for a transfer to end; it and its callback are libusb's."""
        with self.changed:
            self.changed.wait_for(lambda: self.waiting and (self.cancelled or self.packets or self.lost), 5)
            transfer = next(iter(self.cancelled), self.waiting[0])
            self.cancelled.discard(transfer)
            self.waiting.remove(transfer)
            transfer.submitted = False
            transfer.data, transfer.status = b"", COMPLETED
            if self.lost:
                transfer.status = NO_DEVICE
            elif not self.packets:
                transfer.status = CANCELLED
            while transfer.status == COMPLETED and self.packets:
                packet = self.packets.popleft()
                transfer.data += packet
                if len(packet) < PACKET or len(transfer.data) == TRANSFER_BYTES:
                    break
        transfer.callback(transfer)


@pytest.fixture
def devices(monkeypatch):
    """The devices on the bus."""
    found: list[Device] = []

    class Context(Camel):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            for device in found:
                device.calls.append("end")

        def get_device_iterator(self, skip_on_error):
            assert skip_on_error
            return iter(found)

        def handle_events(self):
            found[-1].next_event()

    module = ModuleType("usb1")
    for name, value in (ERRORS | {"USBError": Error, "USBContext": Context, "TRANSFER_COMPLETED": COMPLETED}).items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "usb1", module)
    return found


def collect(transport, count):
    found = b""
    while len(found) < count:
        part = transport.read(5)
        assert part
        found += part
    return found


def test_bytes_come_and_go(devices):
    devices += [Device(product=2), Device(name="Other"), device := Device()]
    transport = USBTransport()
    assert device.calls == ["open", "claim", "clear 0x1", "clear 0x81"]
    assert devices[0].calls == []
    assert devices[1].calls == ["open", "close"]
    for size in (1, PACKET, PACKET + 1, TRANSFER_BYTES, 3 * TRANSFER_BYTES + 7):
        data = bytes(i % 251 for i in range(size))
        transport.write(data)
        assert collect(transport, size) == data
    transport.write(b"")
    assert transport.read(0.01) == b""
    assert len(device.waiting) == TRANSFERS
    transport.close()
    assert device.calls[4:] == ["release", "close", "end"]


def test_an_empty_packet_is_no_end(devices):
    devices.append(device := Device())
    transport = USBTransport()
    device.give(b"")
    threading.Timer(0.05, device.give, [b"abc"]).start()
    assert transport.read(5) == b"abc"
    transport.close()


def test_lost_device(devices):
    devices.append(device := Device())
    transport = USBTransport()
    device.give(b"last words")
    assert collect(transport, 10) == b"last words"
    device.lose()
    with pytest.raises(LinkError, match=r"^USB device 1209:0001 \(Signum\) was lost: a transfer ended with status 5$"):
        transport.read(5)
    device.writing = ERRORS["USBErrorNoDevice"]("LIBUSB_ERROR_NO_DEVICE [-4]")
    with pytest.raises(LinkError, match=r"^USB device 1209:0001 \(Signum\) was lost: LIBUSB_ERROR_NO_DEVICE \[-4\]$"):
        transport.write(b"x")
    transport.close()


def test_device_that_accepts_nothing(devices):
    devices.append(device := Device())
    transport = USBTransport()
    device.writing = ERRORS["USBErrorTimeout"]()
    with pytest.raises(LinkError, match=r"^USB device 1209:0001 \(Signum\) did not accept 2 bytes in 10 s$"):
        transport.write(b"ab")
    transport.close()


def test_no_device(devices):
    devices.append(Device(vendor=1))
    with pytest.raises(LinkError, match=r"^USB device 1209:0001 \(Signum\) is not connected$"):
        USBTransport()


def test_forbidden_device(devices):
    devices.append(device := Device())
    device.opening = ERRORS["USBErrorAccess"]()
    with pytest.raises(LinkError, match=r'^USB device 1209:0001 \(Signum\) may not be opened by this user; on Linux, '
                                        r'.*ATTR\{idVendor\}=="1209", ATTR\{idProduct\}=="0001", TAG\+="uaccess"$'):
        USBTransport()


def test_device_in_use(devices):
    devices.append(device := Device())
    device.claiming = ERRORS["USBErrorBusy"]()
    with pytest.raises(LinkError, match=r"^USB device 1209:0001 \(Signum\) is in use by another program$"):
        USBTransport()
    assert device.calls == ["open", "close", "end"]


def test_device_that_fails_at_once(devices):
    devices.append(device := Device())
    device.lose()
    with pytest.raises(LinkError, match=r"^USB device 1209:0001 \(Signum\) cannot be opened: LIBUSB_ERROR_NO_DEVICE"):
        USBTransport()
    assert device.calls[-2:] == ["close", "end"]


def test_missing_package(monkeypatch):
    found = builtins.__import__

    def without(name, *arguments, **options):
        if name == "usb1":
            raise ModuleNotFoundError("No module named 'usb1'")
        return found(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LinkError, match=r"^a line over USB needs the extra usb: .*'signum\[usb\]' \(No module named"):
        USBTransport()


def test_missing_library(devices, monkeypatch):
    def missing():
        raise FileNotFoundError(2, "cannot find a suitable libusb-1.0")

    monkeypatch.setattr(sys.modules["usb1"], "USBContext", missing)
    with pytest.raises(LinkError, match=r"^libusb is missing \(lines over USB\): apt-get install libusb-1\.0-0 "):
        USBTransport()
