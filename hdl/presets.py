"""Parameters of arrays by name: those of boards, and small ones for tests and experiments."""

__all__ = ["PRESETS"]


def preset(rows: int, cols: int, lanes: int, **further: int) -> dict[str, int]:
    """A binary array for dot products of up to 4095 taps at a time."""
    return {"rows": rows, "cols": cols, "lanes": lanes, "tile": 4, "pipeline": 4, "acc_bits": 12, "sum_bits": 16,
            "weight_depth": 512, "activation_depth": 512, "threshold_depth": 512, "program_depth": 256,
            "access_patterns": 2, "zero_padding": 0, "requantize_depth": 0} | further


PRESETS: dict[str, dict[str, int]] = {
    # 512 binary operations a cycle and 64 kbit of weights in the 30 block RAMs of an iCE40 UP5K
    "icebreaker": preset(2, 8, 32, tile=8, pipeline=2, acc_bits=10, sum_bits=14, weight_depth=256,
                         threshold_depth=256, access_patterns=1, fetch_width=1),
    # the same with pixels in and answers out, for digits of 17 grey levels: sums and lines are no longer than
    # those need, and elements have one register stage, which leaves room to place them
    "icebreaker_pixels": preset(2, 8, 32, tile=8, pipeline=1, acc_bits=10, sum_bits=11, weight_depth=256,
                                threshold_depth=256, access_patterns=1, fetch_width=1, input_depth=16, input_planes=1,
                                input_levels=16, input_maximum=16, answer_ranks=1),
    # a smaller one, beside a boot loader and a camera
    "icebreaker_camera": preset(2, 6, 32, tile=6, pipeline=2, acc_bits=10, sum_bits=14, weight_depth=256,
                                threshold_depth=256, access_patterns=1, fetch_width=1, input_depth=256, input_planes=1,
                                input_levels=16, input_maximum=16, answer_ranks=1),
    # 768, for the 32 block RAMs of an iCE40 HX8K, of which a row takes four
    "ice40_hx8k": preset(3, 8, 32, tile=8, pipeline=2, acc_bits=10, sum_bits=14, weight_depth=256, activation_depth=256,
                         threshold_depth=256, access_patterns=1, fetch_width=1),
    # two thirds of the LUTs of LFE5U-25F (and -12F, which is the same chip), of -45F and of -85F; elements of 64 lanes
    # need more routing than the larger chips have
    "ecp5_25f": preset(8, 16, 32, pipeline=3, memory_registers=2),
    "ecp5_45f": preset(8, 32, 32, pipeline=3, memory_registers=2),
    "ecp5_85f": preset(8, 64, 32, pipeline=3, memory_registers=2),
    # 2,048 operations a cycle, in five minutes
    "ecp5_2k": preset(4, 16, 32, pipeline=3, memory_registers=2),
    # 2,048 operations a cycle for FINN's CNV whole, from pixels to classes: one row, so that an image alone takes no
    # longer than one of a batch, and as many sums at once as it needs
    "ecp5_cnv": preset(1, 64, 32, tile=32, drain_width=16, fetch_width=8, pipeline=3, memory_registers=2,
                       weight_depth=1024, activation_depth=8192, input_depth=1024, input_planes=1, input_levels=7,
                       input_maximum=255, answer_ranks=5),
    # the same for FINN's trained CNV, whose 8-bit pixels are eight bit planes
    "ecp5_cnv_planes": preset(1, 64, 32, tile=32, drain_width=16, fetch_width=8, pipeline=3, memory_registers=2,
                              acc_bits=13, weight_depth=1024, activation_depth=16384, accumulator_shift=1,
                              input_depth=1024, input_planes=8, answer_ranks=1),
    # CNV at 16,384 operations a cycle, an image a row: codes of eight bits, of which a word has a whole number, fill
    # eight images while the layers behind the first run; with one threshold memory for all rows it takes the block RAMs
    # of the largest chip; tiles of 32 columns keep the drains of the first layer short, and of four rows the wires; it
    # was placed and not routed
    "ecp5_cnv_16k": preset(8, 64, 32, tile=32, tile_height=4, drain_width=8, fetch_width=2, pipeline=3,
                           memory_registers=2, sum_bits=14, weight_depth=1024, activation_depth=3584,
                           threshold_depth=272, raw_depth=16, program_depth=256, input_depth=1024, input_planes=1,
                           input_levels=8, input_maximum=255, answer_ranks=1),
    # half the block RAMs of GW1NR-9, since twice the lanes find no placement; most of GW2A-18, which was not placed
    "gowin_9k": preset(4, 4, 32, pipeline=4, memory_registers=1, access_patterns=1, threshold_depth=256),
    "gowin_20k": preset(8, 8, 64, pipeline=5, memory_registers=1),
    # the whole flow in a minute, and with registers around the banks
    "small": preset(1, 8, 16, pipeline=2, weight_depth=256, activation_depth=256, threshold_depth=256,
                    access_patterns=1),
    "small_registered": preset(1, 8, 16, pipeline=3, memory_registers=1, weight_depth=256, activation_depth=256,
                               threshold_depth=256, access_patterns=1),
    # small, uneven, and with all registers between tiles: for experiments
    "tiny": {
        "rows": 3, "cols": 5, "lanes": 7, "tile": 2, "pipeline": 1, "acc_bits": 10, "sum_bits": 16,
        "weight_depth": 512, "activation_depth": 512, "threshold_depth": 256, "program_depth": 256,
        "access_patterns": 2, "requantize_depth": 32, "fetch_width": 3,
    },
}
