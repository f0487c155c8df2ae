"""The test plan: features of the chip, their corners and the tests of each, as data, beside what pytest ran."""
