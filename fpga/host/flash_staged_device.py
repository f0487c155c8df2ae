"""Driver of a board whose flash has a network of many stages: only maps cross the link."""

from collections.abc import Sequence

from signum.fpga.flow.boot_image import list_image
from signum.golden.compiler.stages import Stage
from signum.golden.compiler.weight_streaming import LoaderImage, flash_words
from signum.hdl.host.write_list_dma import LoaderMap, LoaderRegister

from .device import DeviceError
from .staged_device import StagedDevice

__all__ = ["FlashStagedDevice"]


class FlashStagedDevice(StagedDevice):
    """A `StagedDevice` on a board with write lists in its flash (`hdl.boot.flash_write_list`).

    Nothing is written but maps. That the flash has the lists of this network, the host tells by their CRC, which the
    board has compared with all of their words at power-up.
    """

    REMEDY = "build its bitstream with a network in stages, and write flash.bin; a light that blinks tells of damage"

    def _image_of(self, stages: Sequence[Stage]) -> LoaderImage:
        image, self._loads = flash_words(stages)
        self._crc = int.from_bytes(list_image(image.words, self.config)[-4:], "big")
        return image

    def _load(self) -> None:
        image = self._image
        if image is None:
            return super()._load()
        # the read also ends a sequence that runs
        place = len(image.words)
        words = [LoaderMap.register(LoaderRegister.DEPTH), LoaderMap.word(place)]
        if place >= self.depth or self.link.read(words) != [self.depth, self._crc]:
            raise DeviceError(f"the flash must hold this network whole: {self.REMEDY}")
        self._await_loader()
        self._await_idle()
        self.link.write([(self._begin, self._loads)])
        self._await_loader()
        self._select(0)
        self._run()
