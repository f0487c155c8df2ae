// A Verilated module with one clock as a shared library: its ports, cycles, the accelerator's bus, a serial line, a
// network, a USB cable, a SPI flash, and waves of a sensor.
// `fpga.host.model` compiles and loads it; ports.h and Vmodel.h are made for each module.

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "Vmodel.h"
#include "verilated_syms.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif
#include "ports.h"

namespace {

struct Port {
    void* at = nullptr;
    uint64_t bytes = 0;

    uint64_t get() const {
        uint64_t value = 0;
        std::memcpy(&value, at, bytes < 8 ? bytes : 8);
        return value;
    }

    // Bits above 64 are those of a request's payload with an address of 32 bits.
    void put(unsigned __int128 value) const { std::memcpy(at, &value, bytes < 16 ? bytes : 16); }
};

struct Request {
    uint32_t address;
    uint32_t data;
    uint32_t write;
};

// The host's end of a serial line: eight bits, no parity, one stop bit.
struct Serial {
    std::deque<uint8_t> outbox;
    uint32_t frame = 0;         // bits left to send, the stop bit and a marker above them
    uint64_t send_timer = 0;
    int bit = -1;               // of the byte that comes in; -1: none
    uint8_t byte = 0;
    uint64_t receive_timer = 0;
};

// A clock beside the module's own.
struct Clock {
    Port port;
    double step = 0;                            // cycles of the module in half a period
    double next = 0;
    bool level = false;
};

// The network's end of an RGMII PHY: frames with preamble and check sequence, 12 bytes apart, at 125 MHz beside the module's
// clock. The data at the pins change between the edges of their clock.
struct Network {
    Port rx_clk, rx_ctl, rx_data, tx_ctl, tx_data;
    double step = 0;                            // cycles of the module in half a period of 125 MHz; 0: no network
    double next = 0;
    std::deque<std::vector<uint8_t>> outbox;
    size_t place = 0, gap = 0;                  // of the frame that leaves; bytes until the next one may
    std::vector<uint8_t> frame;                 // that comes in
    std::deque<std::vector<uint8_t>> inbox;
    bool level = false, high = false;           // of the clock; of the byte that leaves: its second half
    uint8_t low = 0;
    bool sending = false;                       // a byte
    bool begun = false;                         // a byte of the frame that comes in

    bool busy() const { return !outbox.empty() || begun; }

    // Before an edge of the clock.
    void drive() {
        if (!level) sending = !outbox.empty() && !gap;
        rx_ctl.put(sending);
        const uint8_t byte = sending ? outbox.front()[place] : 0;
        rx_data.put(level ? byte >> 4 : byte & 15);
    }

    // After it: the first half of a byte follows the rising edge.
    void take() {
        if (level) {
            low = static_cast<uint8_t>(tx_data.get() & 15);
            begun = tx_ctl.get() & 1;
            return;
        }
        if (begun) {
            frame.push_back(static_cast<uint8_t>(low | (tx_data.get() & 15) << 4));
        } else if (!frame.empty()) {
            inbox.push_back(frame);
            frame.clear();
        }
        if (sending) {
            if (++place == outbox.front().size()) {
                outbox.pop_front();
                place = 0;
                gap = 12;
            }
        } else if (gap) {
            --gap;
        }
    }
};

// The host's end of a USB cable at full speed: levels (D+ in bit 0, D- in bit 1) that the host drives, while the device does
// not. `drives` etc. are the device's.
struct Cable {
    Port in_p, in_n, out_p, out_n, drives;
    bool attached = false;
    uint8_t host = 1;                           // J

    uint8_t level() const {
        return drives.get() & 1 ? static_cast<uint8_t>((out_p.get() & 1) | (out_n.get() & 1) << 1) : host;
    }

    void step() const {
        in_p.put(level() & 1);
        in_n.put(level() >> 1);
    }
};

// A SPI NOR flash at the pins flash_*, in deep power-down at first: it knows the commands of wake-up (0xAB), read (0x03),
// fast read (0x0B) and, where it has four data pins, quad output (0x6B), mode 0, and takes `wake` cycles to wake up.
struct Flash {
    std::vector<uint8_t> bytes;
    Port cs, sck, copi, cipo;
    bool quad = false;
    uint64_t wake = 0;
    uint64_t awake_at = UINT64_MAX;
    bool selected = false, clock = false;
    uint32_t bits = 0, command = 0, address = 0;

    void step(uint64_t now) {
        const bool select = cs.get() & 1, level = sck.get() & 1;
        if (!select) {
            if (selected && bits == 8 && command == 0xAB && awake_at == UINT64_MAX) awake_at = now + wake;
            bits = command = address = 0;
        } else if (level && !clock) {
            if (bits < 8) command = command << 1 | (copi.get() & 1);
            else if (bits < 32) address = address << 1 | (copi.get() & 1);
            ++bits;
        } else if (!level && clock && now >= awake_at) {
            const bool fourfold = quad && command == 0x6B;
            const uint32_t head = command == 0x0B || fourfold ? 40 : command == 0x03 ? 32 : UINT32_MAX;
            if (bits >= head) {
                const uint32_t width = fourfold ? 4 : 1, level_mask = (1u << width) - 1;
                const uint64_t bit = (bits - head) * uint64_t{width}, at = address + bit / 8;
                const uint32_t value = at < bytes.size() ? bytes[at] >> (8 - width - bit % 8) & level_mask : level_mask;
                cipo.put(quad && !fourfold ? value << 1 : value);
            }
        }
        selected = select;
        clock = level;
    }
};

// Levels of some ports, each for a number of cycles: a bit for each of the ports in turn, and all further bits for the last.
struct Wave {
    struct Step {
        uint16_t levels, cycles;
    };
    std::vector<Port> ports;
    std::deque<Step> steps;
    uint32_t left = 0;

    void step() {
        if (left) {
            --left;
            return;
        }
        if (steps.empty()) return;
        uint32_t levels = steps.front().levels;
        for (size_t i = 0; i < ports.size(); ++i) {
            ports[i].put(i + 1 < ports.size() ? levels & 1 : levels);
            levels >>= 1;
        }
        left = steps.front().cycles - 1u;
        steps.pop_front();
    }
};

struct Model {
    VerilatedContext context;
    Vmodel top;
    std::unordered_map<std::string, Port> ports;
    uint64_t cycles = 0;
    Serial serial;
    std::vector<Clock> clocks;
    Network network;
    Cable cable;
    Flash flash;
    Wave wave;
    uint8_t unused[16] = {};

    static VerilatedContext* seeded(VerilatedContext* context, uint32_t seed) {
        context->randReset(2);
        context->randSeed(static_cast<int>(seed));
        return context;
    }

    explicit Model(uint32_t seed) : top{seeded(&context, seed), ""} {
#define ENTER(name, member, is_input)                                   \
    ports[name] = {&top.member, sizeof(top.member)};                    \
    if (is_input) std::memset(&top.member, 0, sizeof(top.member));
        PORTS(ENTER)
#undef ENTER
        low();
    }

    ~Model() { top.final(); }

    Port port(const char* name) const { return ports.at(name); }

    // A port, or a place that nobody reads where there is none.
    Port port_or_none(const char* name) {
        const auto found = ports.find(name);
        return found == ports.end() ? Port{unused, sizeof unused} : found->second;
    }

    void low() {
        top.clk = 0;
        top.eval();
    }

    // Edges of the other clocks in their order, as many as come before a time.
    void edges(double end) {
        for (;;) {
            double first = end;
            for (const Clock& clock : clocks) first = clock.next < first ? clock.next : first;
            if (network.step > 0 && network.next < first) {
                network_edge();
            } else if (first < end) {
                for (Clock& clock : clocks) {
                    if (clock.next > first + 1e-6) continue;            // edges at the same time are one event
                    clock.level = !clock.level;
                    clock.port.put(clock.level);
                    clock.next += clock.step;
                }
                top.eval();
            } else {
                return;
            }
        }
    }

    void network_edge() {
        network.drive();
        top.eval();
        network.level = !network.level;
        network.rx_clk.put(network.level);
        top.eval();
        network.take();
        network.next += network.step;
    }

    void high() {
        edges(static_cast<double>(cycles) + 0.5);
        top.clk = 1;
        top.eval();
        edges(static_cast<double>(cycles) + 1);
        ++cycles;
        if (cable.attached) cable.step();
        if (!flash.bytes.empty()) flash.step(cycles);
        if (!wave.ports.empty()) wave.step();
    }

    void cycle() {
        low();
        high();
    }
};

}  // namespace

extern "C" {

Model* model_new(uint32_t seed) { return new Model{seed}; }

void model_free(Model* model) { delete model; }

// Write the coverage so far: whether the module was built to count it.
int model_coverage(Model* model, const char* path) {
#if VM_COVERAGE
    model->context.coveragep()->write(path);
    return 1;
#else
    return 0;
#endif
}

void* model_port(Model* model, const char* name) { return model->port(name).at; }

uint64_t model_port_bytes(Model* model, const char* name) { return model->port(name).bytes; }

uint64_t model_count(Model* model) { return model->cycles; }

// The first entry of a memory that Verilator keeps public, or null; its bytes an entry.
void* model_memory(Model* model, const char* scope, const char* name, uint64_t* bytes) {
    const VerilatedScope* const where = model->context.scopeFind(scope);
    const VerilatedVar* const found = where ? where->varFind(name) : nullptr;
    *bytes = found ? found->entSize() : 0;
    return found ? found->datap() : nullptr;
}

// What the outputs make of the inputs, without a clock edge.
void model_settle(Model* model) { model->low(); }

void model_cycles(Model* model, uint64_t count) {
    while (count--) model->cycle();
    model->low();
}

// Clock until a port has a value: the cycles that it took, or -1 after `limit` of them.
int64_t model_until(Model* model, const char* name, uint64_t value, uint64_t limit) {
    const Port port = model->port(name);
    const uint64_t begin = model->cycles;
    model->low();
    while (port.get() != value) {
        if (model->cycles - begin >= limit) return -1;
        model->cycle();
        model->low();
    }
    return static_cast<int64_t>(model->cycles - begin);
}

// Requests over the bus, back to back; the words read, or -1 where `limit` cycles pass without a request or response.
int64_t model_bus(Model* model, const Request* requests, uint64_t count, uint32_t address_bits, uint32_t* words,
                  uint64_t limit) {
    const Port valid = model->port("bus__request__valid"), ready = model->port("bus__request__ready"),
               payload = model->port("bus__request__payload"), answered = model->port("bus__response__valid"),
               answer = model->port("bus__response__payload"), take = model->port("bus__response__ready");
    uint64_t reads = 0, found = 0, sent = 0, idle = 0;
    for (uint64_t i = 0; i < count; ++i) reads += !requests[i].write;
    take.put(1);
    while ((sent < count || found < reads) && idle < limit) {
        const bool sending = sent < count;
        valid.put(sending);
        if (sending) {
            const Request& request = requests[sent];
            payload.put(static_cast<unsigned __int128>(request.data) << (1 + address_bits) |
                        static_cast<uint64_t>(request.address) << 1 | request.write);
        }
        model->low();
        ++idle;
        if (sending && ready.get()) {
            ++sent;
            idle = 0;
        }
        if (answered.get()) {
            words[found++] = static_cast<uint32_t>(answer.get());
            idle = 0;
        }
        model->high();
    }
    valid.put(0);
    take.put(0);
    model->low();
    return sent == count && found == reads ? static_cast<int64_t>(found) : -1;
}

// Bytes for the line to `rx`; they leave in the cycles to come.
void model_send(Model* model, const uint8_t* bytes, uint64_t count) {
    model->serial.outbox.insert(model->serial.outbox.end(), bytes, bytes + count);
}

// Whether bytes are on their way to `rx` or from `tx`.
int model_line_busy(Model* model) {
    const Serial& line = model->serial;
    return !line.outbox.empty() || line.frame || line.bit >= 0;
}

// Clock for up to `cycles`, `divisor` of them a bit, or until `room` bytes have come; the number of bytes.
int64_t model_serial(Model* model, uint64_t cycles, uint32_t divisor, uint8_t* bytes, uint64_t room) {
    const Port rx = model->port_or_none("rx"), tx = model->port("tx");
    Serial& line = model->serial;
    uint64_t found = 0;
    for (; cycles && found < room; --cycles) {
        if (line.send_timer) {
            --line.send_timer;
        } else if (line.frame > 1 || !line.outbox.empty()) {
            if (line.frame <= 1) {
                line.frame = 0x600u | static_cast<uint32_t>(line.outbox.front()) << 1;
                line.outbox.pop_front();
            }
            rx.put(line.frame & 1);
            line.frame >>= 1;
            line.send_timer = divisor - 1;
        } else {
            line.frame = 0;
            rx.put(1);
        }
        model->cycle();
        const bool level = tx.get() & 1;
        if (line.bit < 0) {
            if (!level) {                                   // the middle of the first bit is 1.5 bits away
                line.bit = 0;
                line.byte = 0;
                line.receive_timer = divisor + divisor / 2;
            }
        } else if (!--line.receive_timer) {
            line.receive_timer = divisor;
            if (line.bit < 8) {
                line.byte = static_cast<uint8_t>(line.byte | level << line.bit++);
            } else {
                line.bit = -1;
                if (level) bytes[found++] = line.byte;      // without a stop bit it is none
            }
        }
    }
    model->low();
    return static_cast<int64_t>(found);
}

// A clock at a port, with half a period of `step` cycles.
void model_clock(Model* model, const char* name, double step) {
    model->clocks.push_back({model->port(name), step, static_cast<double>(model->cycles), false});
}

// A USB cable at the pins of a device.
void model_cable(Model* model) {
    Cable& cable = model->cable;
    cable = Cable{};
    cable.in_p = model->port("d_p__i");
    cable.in_n = model->port("d_n__i");
    cable.out_p = model->port("d_p__o");
    cable.out_n = model->port("d_n__o");
    cable.drives = model->port("d_p__oe");
    cable.attached = true;
    cable.step();
}

// Drive levels, each until a number of cycles from now.
void model_cable_play(Model* model, const uint8_t* levels, const double* ends, uint64_t count) {
    const double begin = static_cast<double>(model->cycles);
    for (uint64_t i = 0; i < count; ++i) {
        model->cable.host = levels[i];
        while (static_cast<double>(model->cycles) < begin + ends[i]) model->cycle();
    }
    model->low();
}

// The levels that the device drives, each with the cycle of its begin, and the cycle of their end; the number of levels, 0
// where it drives none within so many cycles.
int64_t model_cable_listen(Model* model, uint64_t cycles, uint8_t* levels, uint64_t* begins, uint64_t room) {
    const Cable& cable = model->cable;
    uint64_t found = 0;
    while (!(cable.drives.get() & 1)) {
        if (!cycles--) {
            model->low();
            return 0;
        }
        model->cycle();
    }
    while (cable.drives.get() & 1) {
        if (found + 1 < room && (!found || levels[found - 1] != cable.level())) {
            levels[found] = cable.level();
            begins[found++] = model->cycles;
        }
        model->cycle();
    }
    begins[found] = model->cycles;
    model->low();
    return static_cast<int64_t>(found);
}

// A network at the pins of RGMII, whose clock has half a period of `step` cycles.
void model_network(Model* model, double step) {
    Network& network = model->network;
    network = Network{};
    network.rx_clk = model->port("rx_clk");
    network.rx_ctl = model->port("rx_ctl");
    network.rx_data = model->port("rx_data");
    network.tx_ctl = model->port("tx_ctl");
    network.tx_data = model->port("tx_data");
    network.step = step;
    network.next = static_cast<double>(model->cycles);
}

// A frame with preamble and check sequence for the network; it leaves in the cycles to come.
void model_network_send(Model* model, const uint8_t* bytes, uint64_t count) {
    model->network.outbox.emplace_back(bytes, bytes + count);
}

// Whether frames are on their way in the network.
int model_network_busy(Model* model) { return model->network.busy(); }

// Clock for up to `cycles`, or until a frame has come that fits `room` bytes: its bytes, 0 for none.
int64_t model_network_run(Model* model, uint64_t cycles, uint8_t* bytes, uint64_t room) {
    std::deque<std::vector<uint8_t>>& inbox = model->network.inbox;
    for (; cycles && inbox.empty(); --cycles) model->cycle();
    model->low();
    if (inbox.empty()) return 0;
    const std::vector<uint8_t> frame = inbox.front();
    inbox.pop_front();
    const uint64_t count = frame.size() < room ? frame.size() : room;
    std::memcpy(bytes, frame.data(), count);
    return static_cast<int64_t>(count);
}

// A flash with these bytes at the pins flash_*, asleep.
void model_flash(Model* model, const uint8_t* bytes, uint64_t count, uint64_t wake) {
    Flash& flash = model->flash;
    flash = Flash{};
    flash.bytes.assign(bytes, bytes + count);
    flash.cs = model->port("flash_cs");
    flash.sck = model->port("flash_sck");
    flash.copi = model->port("flash_copi");
    flash.cipo = model->port("flash_cipo");
    flash.quad = model->ports.count("flash_drive") != 0;
    flash.wake = wake;
}

// Ports of the waves to come.
void model_wave_ports(Model* model, const char* const* names, uint64_t count) {
    model->wave.ports.clear();
    for (uint64_t i = 0; i < count; ++i) model->wave.ports.push_back(model->port(names[i]));
}

// Append steps (levels, cycles) to the wave.
void model_wave(Model* model, const uint16_t* steps, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) model->wave.steps.push_back({steps[2 * i], steps[2 * i + 1]});
}

// Steps of the wave that are left.
uint64_t model_wave_left(Model* model) { return model->wave.steps.size(); }

}  // extern "C"
