"""Levels of the trees that reduce a word to a number, and their registers."""

__all__ = ["most_stages", "multiply_levels", "popcount_levels", "popcount_stages", "registered_levels"]


def popcount_levels(lanes: int) -> int:
    """Adder levels of the popcount tree of ``lanes`` lanes (see `hdl.array.popcount.tree`)."""
    levels = 0
    while lanes > 4:
        lanes = lanes // 2
        levels += 1
    return levels


def popcount_stages(lanes: int) -> int:
    """Most register stages of a popcount: after its leaves, and after each level of its adders."""
    return 1 + popcount_levels(lanes)


def multiply_levels(lanes: int) -> int:
    """Levels of the products of ``lanes`` lanes and their tree of adders (see `hdl.array.multiply`)."""
    return 1 + (lanes - 1).bit_length()


def most_stages(lanes: int, element_bits: int) -> int:
    """Most register stages that reduce a word of ``lanes`` elements to a number."""
    return multiply_levels(lanes) if element_bits > 1 else popcount_stages(lanes)


def registered_levels(levels: int, pipeline: int) -> set[int]:
    """Registered levels of a tree: ``pipeline`` levels, spread evenly, the last level among them.

    The first level is 1; the leaves are level 0, registered only with ``levels + 1`` stages.
    """
    return {levels * (stage + 1) // pipeline for stage in range(pipeline)}
