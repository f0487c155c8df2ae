"""A board's USB device as a transport, by libusb."""

import contextlib
import threading
from typing import Any

from signum.fpga.flow.lines.usb_line import ENDPOINT, PRODUCT, PRODUCT_NAME, VENDOR

from .link import LinkError

__all__ = ["USBTransport"]

INTERFACE = 0
ENDPOINT_IN = ENDPOINT | 0x80
WRITE_TIMEOUT = 10.0        # seconds
TRANSFERS, TRANSFER_BYTES = 8, 4096
"""IN transfers under way, and the bytes of each: whole packets of any speed."""
NAME = f"USB device {VENDOR:04x}:{PRODUCT:04x} ({PRODUCT_NAME})"
GET_USB1 = "a line over USB needs the extra usb: python -m pip install 'signum[usb]'"
GET_LIBUSB = "libusb is missing (lines over USB): apt-get install libusb-1.0-0"
RULE = (f'on Linux, a rule of udev permits it: SUBSYSTEM=="usb", ATTR{{idVendor}}=="{VENDOR:04x}", '
        f'ATTR{{idProduct}}=="{PRODUCT:04x}", TAG+="uaccess"')


class USBTransport:
    """The first device that is called as a `fpga.flow.lines.usb_line.USBLine`.

    Transfers from the device are always under way, so that it never waits for a call of `read`; a thread executes
    libusb's events.

    Raises
    ------
    LinkError
        If libusb1 or libusb is missing, there is no such device, it cannot be opened, or it is lost.
    """

    def __init__(self) -> None:
        try:
            import usb1
        except (ImportError, OSError) as error:
            raise LinkError(f"{GET_USB1} ({error})") from None
        self._usb = usb1
        self._condition = threading.Condition()
        self._bytes = bytearray()
        self._reason = ""               # why no further byte comes
        self._transfers: list[Any] = []
        self._thread: threading.Thread | None = None
        with contextlib.ExitStack() as stack:
            try:
                context = stack.enter_context(usb1.USBContext())
                handle = self._open(context)
                stack.callback(handle.close)
                stack.enter_context(handle.claimInterface(INTERFACE))
                for endpoint in (ENDPOINT, ENDPOINT_IN):        # both toggles at DATA0, and no bytes of another program
                    handle.clearHalt(endpoint)
                self._context, self._handle = context, handle
                self._start()
            except usb1.USBErrorBusy:
                raise LinkError(f"{NAME} is in use by another program") from None
            except usb1.USBError as error:
                self._stop()
                raise LinkError(f"{NAME} cannot be opened: {error}") from None
            except OSError as error:
                raise LinkError(f"{GET_LIBUSB} ({error})") from None
            self._closing = stack.pop_all()

    def _open(self, context: Any) -> Any:
        """The device, opened."""
        refused: Exception | None = None
        for device in context.getDeviceIterator(skip_on_error=True):
            if (device.getVendorID(), device.getProductID()) != (VENDOR, PRODUCT):
                continue
            try:
                handle = device.open()
            except self._usb.USBErrorAccess as error:
                refused = error
                continue
            if handle.getProduct() == PRODUCT_NAME:
                return handle
            handle.close()
        if refused:
            raise LinkError(f"{NAME} may not be opened by this user; {RULE}")
        raise LinkError(f"{NAME} is not connected")

    def _start(self) -> None:
        for _ in range(TRANSFERS):
            transfer = self._handle.getTransfer()
            transfer.setBulk(ENDPOINT_IN, TRANSFER_BYTES, callback=self._ended)
            self._transfers.append(transfer)
            transfer.submit()
        self._thread = threading.Thread(target=self._run, name="usb", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while any(transfer.isSubmitted() for transfer in self._transfers):
            with contextlib.suppress(self._usb.USBErrorInterrupted):
                self._context.handleEvents()

    def _stop(self) -> None:
        """End the transfers."""
        with self._condition:
            self._reason = self._reason or "closed"
        for transfer in self._transfers:
            with contextlib.suppress(self._usb.USBError):       # it has ended
                transfer.cancel()
        if self._thread:
            self._thread.join()
        else:
            self._run()
        self._transfers.clear()

    def _ended(self, transfer: Any) -> None:
        """Take the bytes of a transfer, and begin it anew."""
        status = transfer.getStatus()
        with self._condition:
            if status == self._usb.TRANSFER_COMPLETED:
                self._bytes += transfer.getBuffer()[:transfer.getActualLength()]
                if not self._reason:
                    try:
                        transfer.submit()
                    except self._usb.USBError as error:
                        self._reason = f"was lost: {error}"
            else:
                self._reason = self._reason or f"was lost: a transfer ended with status {status}"
            self._condition.notify_all()

    def write(self, data: bytes) -> None:
        """Send all bytes; LinkError if the device is lost, or accepts no byte for a time."""
        if not data:
            return
        try:
            self._handle.bulkWrite(ENDPOINT, data, timeout=round(WRITE_TIMEOUT * 1000))
        except self._usb.USBErrorTimeout:
            raise LinkError(f"{NAME} did not accept {len(data)} bytes in {WRITE_TIMEOUT:g} s") from None
        except self._usb.USBError as error:
            raise LinkError(f"{NAME} was lost: {error}") from None

    def read(self, timeout: float) -> bytes:
        """The bytes that are there, or the first ones that come within ``timeout`` seconds; LinkError if it is lost."""
        with self._condition:
            self._condition.wait_for(lambda: self._bytes or self._reason, timeout)
            if self._reason and not self._bytes:
                raise LinkError(f"{NAME} {self._reason}")
            found = bytes(self._bytes)
            self._bytes.clear()
        return found

    def close(self) -> None:
        """End all transfers, and close the device; once closed, nothing happens."""
        self._stop()
        with contextlib.suppress(self._usb.USBError):           # it was lost
            self._closing.close()
