// Drives a model's streams from a job file in bulk and writes what comes out, with the cycle of every transfer.
// Channels are made from the component's ports: see hw/harness.py for the layout of job and result.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "V{{ name }}.h"
#include "verilated.h"

using Model = V{{ name }};

double sc_time_stamp() { return 0; }

struct Channel {
    uint64_t words = 0;                        // 64-bit words of data in a record; one of flags follows them
    uint64_t count = 0;                        // records offered, or awaited
    uint64_t done = 0;                         // records transferred
    uint64_t stall = 0, after_valid = 0;       // of 1024 cycles; sink: ready only after valid was seen
    bool offered = false;                      // source: valid; sink: ready
    bool waiting = false;                      // sink: valid was seen in the cycle before, not taken
    std::vector<uint64_t> records, cycles;
};

static uint64_t random_state;

static uint64_t random_bits() {  // xorshift64 (Marsaglia 2003)
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> 20;
}

static bool stalls(const Channel& channel) { return channel.stall && (random_bits() & 1023) < channel.stall; }

{% macro load(port, width, first) -%}
{% if width <= 64 %}top->{{ port }} = {% if width == 1 %}{{ first }} & 1{% else %}{{ first }}{% endif %};
{%- else %}{% for k in range((width + 31) // 32) %}top->{{ port }}[{{ k }}] = uint32_t(record[{{ k // 2 }}] >> {{ 32 * (k % 2) }}); {% endfor %}{% endif %}
{%- endmacro %}
static void drive(Model* top, int number, const uint64_t* record) {
    switch (number) {
{%- for channel in inputs %}
    case {{ loop.index0 }}:
        {{ load(channel.prefix ~ "_tdata", channel.data_bits, "record[0]") }}
        {% if channel.lanes %}top->{{ channel.prefix }}_tkeep = uint32_t(record[{{ channel.words }}]);{% endif %}
        {% if channel.has_last %}top->{{ channel.prefix }}_tlast = record[{{ channel.words }}] >> 32 & 1;{% endif %}
        break;
{%- endfor %}
    }
}

static void take(const Model* top, int number, uint64_t* record) {
    switch (number) {
{%- for channel in outputs %}
    case {{ loop.index0 }}:
{%- for k in range(channel.words) %}
{%- if channel.data_bits <= 64 %}
        record[0] = top->{{ channel.prefix }}_tdata;
{%- else %}
        record[{{ k }}] = uint64_t(top->{{ channel.prefix }}_tdata[{{ 2 * k }}]){% if 64 * k + 32 < channel.data_bits %} | uint64_t(top->{{ channel.prefix }}_tdata[{{ 2 * k + 1 }}]) << 32{% endif %};
{%- endif %}
{%- endfor %}
        record[{{ channel.words }}] = 0
            {% if channel.lanes %}| uint64_t(uint32_t(top->{{ channel.prefix }}_tkeep)){% endif %}
            {% if channel.has_last %}| uint64_t(top->{{ channel.prefix }}_tlast) << 32{% endif %}
            {% if channel.error %}| uint64_t(top->{{ channel.prefix }}_tuser) << 33{% endif %};
        break;
{%- endfor %}
    }
}

static uint64_t read_number(FILE* file) {
    uint64_t value;
    if (fread(&value, 8, 1, file) != 1) exit(3);
    return value;
}

static void read_channel(FILE* file, Channel& channel, bool is_input) {
    channel.count = read_number(file);
    channel.stall = read_number(file);
    channel.after_valid = read_number(file);
    if (is_input) {
        channel.records.resize(channel.count * (channel.words + 1));
        if (fread(channel.records.data(), 8, channel.records.size(), file) != channel.records.size()) exit(3);
    }
}

static void write_all(FILE* file, const std::vector<uint64_t>& values) {
    if (fwrite(values.data(), 8, values.size(), file) != values.size()) exit(3);
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int inputs = {{ inputs | length }}, outputs = {{ outputs | length }};
    const uint64_t words[] = { {% for channel in inputs + outputs %}{{ channel.words }}, {% endfor %} };
    std::vector<Channel> in(inputs), out(outputs);
    FILE* job = fopen(argv[1], "rb");
    if (!job) return 2;
    const uint64_t limit = read_number(job), patience = read_number(job), settle = read_number(job);
    random_state = read_number(job) * 2 + 1;
    for (int k = 0; k < 16; k++) random_bits();
    for (int k = 0; k < inputs; k++) { in[k].words = words[k]; read_channel(job, in[k], true); }
    for (int k = 0; k < outputs; k++) { out[k].words = words[inputs + k]; read_channel(job, out[k], false); }
    fclose(job);

    VerilatedContext context;
    Model* top = new Model{&context};
    top->rst = 1;
    for (int k = 0; k < 4; k++) { top->clk = 0; top->eval(); top->clk = 1; top->eval(); }
    top->rst = 0;

    uint64_t cycle = 0, last_transfer = 0, finished_at = 0;
    bool finished = false;
    for (; cycle < limit && cycle - last_transfer < patience; cycle++) {
        if (finished && cycle - finished_at >= settle) break;
{%- for channel in inputs %}
        if (Channel& channel = in[{{ loop.index0 }}]; !channel.offered && channel.done < channel.count && !stalls(channel)) {
            channel.offered = true;
            drive(top, {{ loop.index0 }}, &channel.records[channel.done * (channel.words + 1)]);
        }
        top->{{ channel.prefix }}_tvalid = in[{{ loop.index0 }}].offered;
{%- endfor %}
{%- for channel in outputs %}
        {
            Channel& channel = out[{{ loop.index0 }}];
            channel.offered = !stalls(channel) && (!channel.after_valid || channel.waiting);
            top->{{ channel.prefix }}_tready = channel.offered;
        }
{%- endfor %}
        top->clk = 0;
        top->eval();
{%- for channel in inputs %}
        if (Channel& channel = in[{{ loop.index0 }}]; channel.offered && top->{{ channel.prefix }}_tready) {
            channel.cycles.push_back(cycle);
            channel.done++;
            channel.offered = false;
            last_transfer = cycle;
        }
{%- endfor %}
{%- for channel in outputs %}
        out[{{ loop.index0 }}].waiting = top->{{ channel.prefix }}_tvalid && !out[{{ loop.index0 }}].offered;
        if (Channel& channel = out[{{ loop.index0 }}]; channel.offered && top->{{ channel.prefix }}_tvalid) {
            channel.cycles.push_back(cycle);
            channel.records.resize(++channel.done * (channel.words + 1));
            take(top, {{ loop.index0 }}, &channel.records[(channel.done - 1) * (channel.words + 1)]);
            last_transfer = cycle;
        }
{%- endfor %}
        top->clk = 1;
        top->eval();
        if (!finished) {
            finished = true;
            for (const Channel& channel : in) finished &= channel.done == channel.count;
            for (const Channel& channel : out) finished &= channel.done >= channel.count;
            finished_at = cycle;
        }
    }
    top->final();
    delete top;

    FILE* result = fopen(argv[2], "wb");
    if (!result) return 2;
    write_all(result, {cycle, uint64_t(finished)});
    for (Channel& channel : in) {
        write_all(result, {channel.done});
        write_all(result, channel.cycles);
    }
    for (Channel& channel : out) {
        write_all(result, {channel.done});
        write_all(result, channel.cycles);
        write_all(result, channel.records);
    }
    return fclose(result) ? 3 : 0;
}
