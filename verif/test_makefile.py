"""The Makefile knows every parameter of an array."""

import dataclasses
import re
from pathlib import Path

from hdl.config import ArrayConfig

MAKEFILE = Path(__file__).resolve().parent.parent / "Makefile"


def test_verilog_takes_every_parameter():
    text = MAKEFILE.read_text().replace("\\\n", " ")
    found = re.search(r"^PARAMETERS := (.*)$", text, re.MULTILINE)
    assert found
    fields = [field.name.upper() for field in dataclasses.fields(ArrayConfig)]
    assert found[1].split() == ["PRESET", "CONFIG", *fields]
