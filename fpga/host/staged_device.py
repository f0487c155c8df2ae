"""Driver of a board with a loader, which feeds the array a network of many stages from its own memory."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from signum.golden.compiler.cycles import predict_cycles
from signum.golden.compiler.graph import Graph
from signum.golden.compiler.program import Program
from signum.golden.compiler.stages import Stage, run_stages
from signum.golden.compiler.weight_streaming import LoaderImage, loader_image
from signum.hdl.host.write_list_dma import LoaderMap, LoaderRegister

from .device import PATIENCE, Device, DeviceError, batches
from .link import Link

__all__ = ["StagedDevice"]


class StagedDevice(Device):
    """A device with a loader (`hdl.host.write_list_dma`) that runs networks of
    `golden.compiler.weight_streaming.plan_streamed`.

    Weights, thresholds and programs are written once; per run of a stage only its input maps and its results cross the
    link. Results are checked as in `Device`.

    Parameters
    ----------
    link : Link
        Link to `fpga.flow.board_top.BoardTop` with a loader.

    Members
    -------
    depth : int
        Words of the loader's memory.

    Raises
    ------
    LinkError
        If the board does not respond.
    DeviceError
        If the board has no accelerator of this version, or no loader.
    """

    REMEDY = "build its bitstream with one"

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self._begin = LoaderMap.register(LoaderRegister.BEGIN)
        # without a loader the board ignores the upper bits of an address, and reads another register
        self.depth, going = (link.read([LoaderMap.register(register)])[0] for register in LoaderRegister)
        if self.depth < 2 or self.depth & self.depth - 1 or going > 1:
            raise DeviceError(f"{self.config.rows} x {self.config.cols} elements on the board must have a loader: "
                              f"{self.REMEDY}")
        self._graph: Graph | None = None
        self._stages: tuple[Stage, ...] = ()
        self._image: LoaderImage | None = None
        self._entry = 0

    def load_stages(self, graph: Graph, stages: Sequence[Stage]) -> None:
        """Load a network into the board, and run its first stage once.

        Parameters
        ----------
        graph : Graph
        stages : sequence of Stage
            Result of `golden.compiler.weight_streaming.plan_streamed` for the board's array; at least one.

        Raises
        ------
        CapacityError
            If the loader's memory is too small.
        DeviceError
            If the stages are none, are compiled for another array, are not those that the board has, or do not run as
            predicted.
        LinkError
            If the link fails.
        """
        if not stages:
            raise DeviceError("the stages must be at least one, not none")
        self._expect_config(stages[0].program.config)
        self._image = self._image_of(stages)
        self._graph, self._stages = graph, tuple(stages)
        self.program = None
        self._loaded = False
        self._again(lambda: None)

    def _image_of(self, stages: Sequence[Stage]) -> LoaderImage:
        """The words of the loader."""
        return loader_image(stages, self.depth - 1)

    def load(self, program: Program) -> None:
        self._image = None
        super().load(program)

    def _load(self) -> None:
        image = self._image
        if image is None:
            return super()._load()
        # an empty sequence ends a running one
        last = self.depth - 1
        self.link.write([(LoaderMap.word(last), 0), (self._begin, last)])
        self._await_loader()
        self._await_idle()
        self.link.write((LoaderMap.word(i), word) for i, word in enumerate(image.words))
        for stage in self._stages:
            self.link.write(stage.program.load_writes())
        self._select(0)
        self._run()

    def _select(self, number: int) -> None:
        """Select the stage of the next run."""
        assert self._image
        program = self._stages[number].program
        self._entry = self._image.begins[number]
        self._cycles = predict_cycles(program.config, program.records)

    def _start(self) -> None:
        if self._image is None:
            return super()._start()
        self.link.write([(self._begin, self._entry)])
        self._await_loader()

    def _run(self) -> None:
        super()._run()
        # the weights of the next stage are loaded during this run, and may take longer
        if self._image is not None:
            self._await_loader()

    def _await_loader(self) -> None:
        """Wait until the loader has sent its sequence."""
        for _ in range(PATIENCE):
            if not self.link.read([self._begin])[0]:
                return
        raise DeviceError("the loader must end its sequence, not go on and on: reset the board")

    def infer_stages(self, maps: Mapping[str, np.ndarray],
                     progress: Callable[[dict[str, np.ndarray]], None] = lambda made: None) -> dict[str, np.ndarray]:
        """Run the network on input maps of any number of images.

        Parameters
        ----------
        maps : mapping of str to array
            Bool or uint8 (B, H, W, C), the input maps of the graph.
        progress : callable
            Called with the maps of each run.

        Returns
        -------
        dict of str to array
            The maps that no layer reads, as of `golden.compiler.stages.run_stages`.

        Raises
        ------
        DeviceError
            If no network is loaded, or a run differs from the prediction.
        LinkError
            If the link fails.
        """
        if self._graph is None or self._image is None:
            raise DeviceError("a network must be loaded before infer_stages is called")
        shapes = {name: (shape.height, shape.width, shape.channels) for name, shape in self._graph.inputs.items()}
        self._check_maps(shapes, maps)
        found = []
        for batch in batches(maps, self._stages[0].program.images):
            found.append(self._again(functools.partial(self._infer_stages, batch)))
            progress(found[-1])
        return {name: np.concatenate([made[name] for made in found]) for name in found[0]}

    def _infer_stages(self, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        assert self._graph
        numbers: Iterator[int] = iter(range(len(self._stages)))
        made = run_stages(self._graph, self._stages, maps,
                          lambda program, inputs: self._infer_stage(next(numbers), inputs))
        read = {segment.source for layer in self._graph.layers for segment in layer.segments}
        return {name: made[name] for name in made if name not in read}

    def _infer_stage(self, number: int, inputs: dict[str, np.ndarray]) -> np.ndarray:
        assert self._image
        program = self._stages[number].program
        if self._image.fresh[number]:
            self.link.write(program.input_writes(inputs))
        self._select(number)
        self._run()
        images = len(next(iter(inputs.values())))
        words = self.link.read(program.result_reads(images))
        return program.results(images, words)
