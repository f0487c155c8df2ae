"""The driver of an emitted accelerator in C: ``signum.h``, of constants and small functions, without a library."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .emit import write_whole

__all__ = ["c_header", "write_header"]

HEADER = """\
/* {name}.h: a driver of the accelerator in {name}.v, made from {name}.json. C99, no library, no allocation.
 *
 * A bus is two functions that access a word of 32 bits at an address of the accelerator's own bus; behind AXI4-Lite or
 * as bytes in memory, a byte address is four times as large (see {NAME}_BYTES). The functions block as the bus does.
 */
#ifndef {NAME}_H
#define {NAME}_H

#include <stddef.h>
#include <stdint.h>

#define {NAME}_BYTES 4u
{constants}

/* the configuration of the hardware, as in {name}.json; {NAME}_CONFIG is the address of its first register */
static const uint32_t {name}_config[{fields}] = {{{config}}};

struct {name}_bus {{
    void *context;
    uint32_t (*read)(void *context, uint32_t address);
    void (*write)(void *context, uint32_t address, uint32_t data);
}};

/* words at successive addresses */
struct {name}_burst {{
    uint32_t address;
    uint32_t count;
}};

/* a program: the words of all bursts, one after the other */
struct {name}_program {{
    const struct {name}_burst *bursts;
    size_t burst_count;
    const uint32_t *words;
    uint32_t cycles;        /* of a run */
}};

/* 0: the hardware is that of this header; 1: there is no accelerator; 2: it has another version; 3: another size. */
static inline int {name}_check(const struct {name}_bus *bus)
{{
    if (bus->read(bus->context, {NAME}_MAGIC) != {NAME}_MAGIC_VALUE)
        return 1;
    if (bus->read(bus->context, {NAME}_VERSION) != {NAME}_VERSION_VALUE)
        return 2;
    for (uint32_t i = 0; i < {fields}u; i++)
        if (bus->read(bus->context, {NAME}_CONFIG + i * {NAME}_STEP) != {name}_config[i])
            return 3;
    if ((bus->read(bus->context, {NAME}_PARITY) & 1u) != {parity}u
        || bus->read(bus->context, {NAME}_CONTROL) != {gate}u)
        return 3;
    return 0;
}}

/* Load a program, once; while no program runs. */
static inline void {name}_load(const struct {name}_bus *bus, const struct {name}_program *program)
{{
    const uint32_t *word = program->words;
    for (size_t i = 0; i < program->burst_count; i++)
        for (uint32_t k = 0; k < program->bursts[i].count; k++)
            bus->write(bus->context, program->bursts[i].address + k, *word++);
}}

/* Start a run. */
static inline void {name}_start(const struct {name}_bus *bus)
{{
    bus->write(bus->context, {NAME}_CONTROL, {start}u);
}}

/* Whether a program runs. */
static inline int {name}_busy(const struct {name}_bus *bus)
{{
    return (bus->read(bus->context, {NAME}_STATUS) & {busy}u) != 0;
}}

/* The cycles of the last run. */
static inline uint32_t {name}_cycles(const struct {name}_bus *bus)
{{
    return bus->read(bus->context, {NAME}_CYCLES);
}}
{faults}{streams}
#endif
"""

FAULTS = """
/* Whether a word with the wrong parity was used since the last run began, and the first such word. Results are wrong
 * then. The next run forgets it; load the program again before. */
static inline int {name}_fault(const struct {name}_bus *bus, uint32_t *region, uint32_t *unit, uint32_t *word)
{{
    uint32_t told = bus->read(bus->context, {NAME}_PARITY);
    *region = told >> {region_at} & 7u;
    *unit = told >> {unit_at} & 0x7ffu;
    *word = told >> {word_at};
    return (told >> {fault_bit} & 1u) != 0;
}}
"""

STREAMS = """
/* Take pixels and give answers (1), or be driven by the host (0). */
static inline void {name}_stream(const struct {name}_bus *bus, int on)
{{
    bus->write(bus->context, {NAME}_CONTROL, on ? {stream}u : 0u);
}}

/* Run with the images that are in, though they are fewer than a batch. */
static inline void {name}_flush(const struct {name}_bus *bus)
{{
    bus->write(bus->context, {NAME}_CONTROL, {stream}u | {flush}u);
}}

/* Poll for a number of an answer: 0: none waits; 1: ``value`` is one; 2: ``value`` is the last one of its answer. */
static inline int {name}_answer(const struct {name}_bus *bus, uint32_t *value)
{{
    uint32_t status = bus->read(bus->context, {NAME}_STATUS);
    if (!(status & {answer}u))
        return 0;
    *value = bus->read(bus->context, {NAME}_ANSWER);
    bus->write(bus->context, {NAME}_ANSWER, status >> {number_at});
    return status & {last}u ? 2 : 1;
}}
"""


def c_header(about: Mapping[str, Any], values: Mapping[str, int]) -> str:
    """The text of the header.

    Parameters
    ----------
    about : mapping
        The contents of the JSON file, with ``name``, ``config`` and ``address_map``.
    values : mapping
        The numbers of the protocol: ``magic``, ``version``, the bits of control and status, ``number_at``, the places
        in the register of parity.
    """
    name, layout = about["name"], about["address_map"]
    step = 1 << layout["fields"]["slice"]
    registers = layout["registers"]
    config = dict(about["config"])
    parity, gate = config.pop("parity"), config.pop("gate")
    addresses = {register: registers[register] * step for register in
                 ("magic", "version", "control", "status", "cycles", "runs", "answer", "parity")}
    addresses |= {"config": registers[next(iter(config))] * step, "step": step}
    constants = [f"#define {name.upper()}_{entry.upper()} {value:#x}u" for entry, value in addresses.items()]
    constants += [f"#define {name.upper()}_{entry.upper()}_VALUE {values[entry]:#x}u" for entry in ("magic", "version")]
    known = {**values, "name": name, "NAME": name.upper(), "parity": parity, "gate": gate}
    return HEADER.format(**known, constants="\n".join(constants), fields=len(config),
                         config=", ".join(f"{value}u" for value in config.values()),
                         faults=FAULTS.format(**known) if parity else "",
                         streams=STREAMS.format(**known) if config["input_depth"] else "")


def write_header(verilog: Path, about: Mapping[str, Any], values: Mapping[str, int]) -> Path:
    """Write ``NAME.h`` beside ``NAME.v``; returns its path."""
    path = verilog.with_suffix(".h")
    write_whole(path, c_header(about, values))
    return path
