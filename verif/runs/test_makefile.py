"""The Makefile knows every parameter of an array."""

import dataclasses
import re

from signum.hdl.config import ArrayConfig
from signum.hdl.lib.folders import REPOSITORY

MAKEFILE = REPOSITORY / "Makefile"


def test_verilog_takes_every_parameter():
    text = MAKEFILE.read_text().replace("\\\n", " ")
    found = re.search(r"^PARAMETERS := (.*)$", text, re.MULTILINE)
    assert found
    fields = [field.name.upper() for field in dataclasses.fields(ArrayConfig)]
    assert found[1].split() == ["PRESET", "CONFIG", *fields]
