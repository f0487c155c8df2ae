"""All proofs, by subject."""

from collections.abc import Mapping

from . import equivalence, framer, output, pe, popcount, sequencer, streams, threshold
from .prove import Proof

__all__ = ["SUBJECTS"]

SUBJECTS: Mapping[str, tuple[Proof, ...]] = {
    "popcount": popcount.PROOFS,
    "pe": pe.PROOFS,
    "threshold": threshold.PROOFS,
    "output": output.PROOFS,
    "streams": streams.PROOFS,
    "sequencer": sequencer.PROOFS,
    "framer": framer.PROOFS,
    "equivalence": equivalence.PROOFS,
}
