// Runs the bench through its phases and counts toggles.
//
// Arguments: COUNTS FRAMES PATIENCE DRAIN IDLE and the bench's own (+frames, +results). After a reset FRAMES frames go
// through back to back; PATIENCE: cycles within which each result must come. DRAIN cycles later nothing happens for
// IDLE cycles. COUNTS is written as 64-bit little-endian words: cycles of the busy and of the idle phase, then for each
// phase and net, in the order of the probes, its toggles and, in a second row, the cycles in which it was 1.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "Vactivity.h"
#include "verilated.h"

namespace {

// 64 counters side by side: bit n of plane p is bit p of counter n
struct Counters {
    uint64_t planes[48] = {};
    void add(uint64_t bits) {
        for (int p = 0; bits; ++p) {
            const uint64_t carry = planes[p] & bits;
            planes[p] ^= bits;
            bits = carry;
        }
    }
    uint64_t value(int n) const {
        uint64_t sum = 0;
        for (int p = 0; p < 48; ++p) sum |= (planes[p] >> n & 1) << p;
        return sum;
    }
};

struct Probe {
    uint64_t before = 0;
    Counters toggles[2], high[2];
};

enum { BUSY, IDLE, OFF };
int phase = OFF;
std::vector<Probe> probes;

}  // namespace

extern "C" void activity_sample(int index, unsigned long long nets) {
    if (static_cast<size_t>(index) >= probes.size()) probes.resize(index + 1);
    Probe& probe = probes[index];
    if (phase != OFF) {
        probe.toggles[phase].add(probe.before ^ nets);
        probe.high[phase].add(nets);
    }
    probe.before = nets;
}

int main(int argc, char** argv) {
    if (argc < 6) return 2;
    const char* path = argv[1];
    const uint64_t frames = std::strtoull(argv[2], nullptr, 10), patience = std::strtoull(argv[3], nullptr, 10);
    const uint64_t drain = std::strtoull(argv[4], nullptr, 10), idle = std::strtoull(argv[5], nullptr, 10);
    VerilatedContext context;
    context.commandArgs(argc, argv);
    Vactivity bench{&context};
    uint64_t edges = 0;
    const auto cycle = [&](uint64_t count) {
        for (; count; --count) {
            bench.clk = 1;
            bench.eval();
            context.timeInc(5);
            bench.clk = 0;
            bench.eval();
            context.timeInc(5);
            ++edges;
        }
    };
    bench.clk = 0;
    bench.go = 0;
    bench.rst = 1;
    bench.eval();
    cycle(16);
    bench.rst = 0;
    cycle(16 + drain);  // what can be done ahead of the first frame is done
    bench.go = 1;
    cycle(1);  // the first beat is offered after this edge
    phase = BUSY;
    edges = 0;
    uint64_t last = 0, since = 0;
    while (bench.results < frames) {
        cycle(1);
        if (bench.results != last) {
            last = bench.results;
            since = 0;
            std::printf("%llu\n", static_cast<unsigned long long>(last));
            std::fflush(stdout);
        } else if (++since > patience) {
            std::fprintf(stderr, "no result for %llu cycles after %llu of %llu\n",
                         static_cast<unsigned long long>(patience), static_cast<unsigned long long>(last),
                         static_cast<unsigned long long>(frames));
            return 3;
        }
    }
    const uint64_t busy = edges;
    phase = OFF;
    cycle(drain);
    phase = IDLE;
    cycle(idle);
    bench.final();

    std::FILE* file = std::fopen(path, "wb");
    if (!file) return 4;
    std::vector<uint64_t> words{busy, idle};
    for (int p = BUSY; p != OFF; ++p)
        for (int row = 0; row < 2; ++row)
            for (const Probe& probe : probes)
                for (int n = 0; n < 64; ++n) words.push_back((row ? probe.high : probe.toggles)[p].value(n));
    const bool whole = std::fwrite(words.data(), 8, words.size(), file) == words.size();
    return std::fclose(file) == 0 && whole ? 0 : 4;
}
