"""Driver of a board whose flash has a network of many stages: only maps cross the link."""

from collections.abc import Sequence

from signum.fpga.flow.boot_image import list_image
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.stages import Stage
from signum.golden.compiler.weight_streaming import flash_words
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

    def load_stages(self, graph: Graph, stages: Sequence[Stage]) -> None:
        """Load a network from the flash into the array, and run its first stage once.

        Parameters
        ----------
        graph : Graph
        stages : sequence of Stage
            Result of `golden.compiler.weight_streaming.plan_streamed` for the board's array; at least one.

        Raises
        ------
        DeviceError
            If the stages are none, are compiled for another array, or are not those in the flash, or do not run as
            predicted.
        LinkError
            If the link fails.
        """
        self._expect_stages(stages)
        self._image, self._loads = flash_words(stages)
        words = self._image.words
        self._crc = int.from_bytes(list_image(words, self.config)[-4:], "big")
        self._use(graph, stages)

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
