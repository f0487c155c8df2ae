"""The frames on the line between a host and the bridge: a window of requests, and responses with the answers.

Numbers of several bytes are sent least significant byte first. Frames in both directions have the framing of
`hdl.host.hdlc`. A frame to the bridge:

=======  =====  ==========================================================================================
offset   bytes  meaning
=======  =====  ==========================================================================================
0        1      session
1        1      sequence number: that of the frame before plus 1, from 0 on in each session, in as many bits as
                the bridge tells
2        2      numbers of answers that the host has, modulo 2**16; of `Command.OPEN` the new session (1 byte)
4        1      `Command`
5        n      body
5+n      4      `CRC` of the bytes before
=======  =====  ==========================================================================================

========  =================================================================================================
command   body and effect
========  =================================================================================================
`OPEN`    none; begins a session, and forgets the frames and the answers of the session before
`POLL`    none; requests a response, and again all answers from the host's number on
`TAKEN`   none; tells the host's number of answers
`WRITE`   count of words (1 byte), bus address (4), words (4 each): writes them there and at the following addresses
`READ`    count of words (1), bus address (4): responds with the words from there on
`PIXELS`  count (2) and values of images (1 each); the geometry of the input tells where an image ends
========  =================================================================================================

The bridge executes the frames of a session in the order of their sequence numbers, each once. It holds up to ``slots``
frames from the next one on, in any order of arrival, and ignores all others; `OPEN`, `POLL` and `TAKEN` have no place
in the sequence, and take effect as they arrive. A frame that is damaged, of another session, or longer than a slot has
no effect. Addresses follow each other as in `AddressMap.following`; bits that the bus lacks are ignored.

A frame to the host, for each frame of the session that arrives, for words and for answers; one may stand for several:

=======  =====  ==========================================================================================
offset   bytes  meaning
=======  =====  ==========================================================================================
0        1      session
1        1      `Kind`
2        1      the window: log2 of ``slots`` (4 bits), log2 of the bytes of a slot (4 bits)
3        1      ``number_bits``: twice the answers that the bridge keeps are 2**number_bits (5 bits; 0: the bridge
                takes no pixels); the bits of a sequence number, less 1 (3)
4        1      sequence number of the next frame to be executed; in a response to `READ`, of this frame
5        2      frames that are held: bit i tells of the frame whose sequence number is i modulo ``slots``
7        2      count of the first answer, modulo 2**`count_bits`
9        n      words of 4 bytes, or answers of as many bytes as the widest one needs
9+n      4      `CRC` of the bytes before
=======  =====  ==========================================================================================

The bridge keeps answers until the host has them. On a line that reorders frames, both numbers are as long as their
fields, so that a late frame is not taken for one of the present: sequence numbers of 8 bits, counts of 16. `CRC` is the
CRC-32 of RFC 1662, whose register is sent complemented, so that bytes of 0 behind a frame do not pass for a part of it.
A reset of the board ends the session; then the bridge responds with `Kind.CLOSED` to any frame but `OPEN`, and a host
that sees it knows that the board has lost its program.
"""

import enum

from amaranth.lib.crc import catalog

from .bus import DATA_BITS

__all__ = ["COUNT_BITS", "CRC", "CRC_BYTES", "IN_SEQUENCE", "MOST_COUNT", "MOST_SLOTS", "RESPONSE_HEAD_BYTES",
           "SEQUENCE_BITS", "WORD_BYTES", "Command", "Kind", "count_bits", "most_values", "most_words"]

CRC = catalog.CRC32_ISO_HDLC(data_width=8)
CRC_BYTES = 4
RESPONSE_HEAD_BYTES = 9
WORD_BYTES = DATA_BITS // 8
MOST_SLOTS = 16
WORDS_OVERHEAD_BYTES = 6 + CRC_BYTES        # command, count, address, and the CRC, which a slot holds as well
VALUES_OVERHEAD_BYTES = 3 + CRC_BYTES
MOST_COUNT = 255
IN_SEQUENCE = 8
"""Commands from here on have a place in the sequence."""
COUNT_BITS = 5
"""Bits of ``number_bits``."""
SEQUENCE_BITS, LONGEST_COUNT_BITS = 8, 16
"""Of a sequence number and a count of answers on a line that reorders frames."""


class Command(enum.IntEnum):
    """Operation of a frame to the bridge."""

    OPEN = 1
    POLL = 2
    TAKEN = 3
    # in sequence
    WRITE = IN_SEQUENCE
    READ = IN_SEQUENCE + 1
    PIXELS = IN_SEQUENCE + 2    # only with a stream of pixels


class Kind(enum.IntEnum):
    """Meaning of a frame to the host, and of its words."""

    STATUS = 0      # none
    OPENED = 1      # none; the session has begun
    CLOSED = 2      # none; the session of the frame was not begun, or not on this board since its reset
    WORDS = 3       # those of a read
    ANSWERS = 4     # answers


def count_bits(number_bits: int, sequence_bits: int) -> int:
    """Bits of a count of answers of a bridge that keeps 2**(number_bits - 1), for the bits of its sequence numbers."""
    return LONGEST_COUNT_BITS if number_bits and sequence_bits == SEQUENCE_BITS else number_bits


def most_words(slot_bytes: int) -> int:
    """Words of the longest `Command.WRITE` that fits into a slot."""
    return min(MOST_COUNT, (slot_bytes - WORDS_OVERHEAD_BYTES) // WORD_BYTES)


def most_values(slot_bytes: int) -> int:
    """Values of the longest `Command.PIXELS` that fits into a slot."""
    return slot_bytes - VALUES_OVERHEAD_BYTES
