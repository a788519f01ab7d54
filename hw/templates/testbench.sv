// Sends the vectors beside this file through {{ tops | join(", ") }} and compares every transfer.
// From the folder above, in Icarus or Verilator:
//   $ iverilog -g2012 -o tb.vvp {{ sources | join(" ") }} tb/{{ name }}_tb.sv && vvp tb.vvp
//   $ verilator --binary --timing --output-split 0 -Wno-fatal -CFLAGS -std=c++20 --top-module {{ name }}_tb {{ sources | join(" ") }} tb/{{ name }}_tb.sv && obj_dir/V{{ name }}_tb
`timescale 1ns / 1ps

module {{ name }}_tb;
    reg clk = 0;
    reg rst = 1;
    always #5 clk = ~clk;

    // Random back-pressure from a linear feedback shift register; +fast turns it off.
    reg [31:0] dice = 32'h1234_5678;
    reg fast = 0;
    always @(posedge clk) dice <= {dice[30:0], dice[31] ^ dice[21] ^ dice[1] ^ dice[0]};

    integer errors = 0;
    integer cycle = 0;
{% for instance in instances %}
    // ---- {{ instance.top }}
{%- for channel in instance.channels %}
    wire [{{ channel.data_bits - 1 }}:0] {{ instance.short }}_{{ channel.prefix }}_tdata;
    wire {{ instance.short }}_{{ channel.prefix }}_tvalid, {{ instance.short }}_{{ channel.prefix }}_tready;
{%- if channel.keep_bits %}
    wire [{{ channel.keep_bits - 1 }}:0] {{ instance.short }}_{{ channel.prefix }}_tkeep;
{%- endif %}
{%- for port in channel.flags %}
    wire {{ instance.short }}_{{ channel.prefix }}_{{ port }};
{%- endfor %}
{%- endfor %}
    {{ instance.top }} {{ instance.short }} (
        .clk(clk), .rst(rst)
{%- for channel in instance.channels %}{% for port in channel.ports %},
        .{{ port }}({{ instance.short }}_{{ port }})
{%- endfor %}{% endfor %}
    );
{% for channel in instance.channels %}{% set id = instance.short ~ "_" ~ channel.prefix %}{% set bits = channel.record_bits %}
    reg [{{ bits - 1 }}:0] {{ id }}_vectors [0:{{ channel.count - 1 }}];
    integer {{ id }}_done = 0;
    initial $readmemh("tb/{{ channel.file }}", {{ id }}_vectors);
{%- if channel.is_input %}
    integer {{ id }}_next = 0;
    reg {{ id }}_offer = 0;
    reg [{{ bits - 1 }}:0] {{ id }}_record = 0;
    assign {{ id }}_tvalid = {{ id }}_offer;
    assign { {{ channel.names(id) }} } = {{ id }}_record;
    always @(posedge clk)
        if (!rst) begin
            if ({{ id }}_tvalid && {{ id }}_tready) {{ id }}_done <= {{ id }}_done + 1;
            if (!{{ id }}_tvalid || {{ id }}_tready) begin
                if ({{ id }}_next < {{ channel.count }} && (fast || dice[{{ channel.dice }}])) begin
                    {{ id }}_offer <= 1;
                    {{ id }}_record <= {{ id }}_vectors[{{ id }}_next];
                    {{ id }}_next <= {{ id }}_next + 1;
                end else {{ id }}_offer <= 0;
            end
        end
{%- else %}
    reg {{ id }}_take = 0;
    assign {{ id }}_tready = {{ id }}_take;
    always @(posedge clk) begin
        {{ id }}_take <= !rst && (fast || dice[{{ channel.dice }}]);
        if (!rst && {{ id }}_tvalid && {{ id }}_tready) begin
            {{ id }}_done <= {{ id }}_done + 1;
            if ({{ id }}_done >= {{ channel.count }} || { {{ channel.names(id) }} } !== {{ id }}_vectors[{{ id }}_done]) begin
                errors <= errors + 1;
                if (errors < 10)
                    $display("{{ id }} transfer %0d is %h, not %h", {{ id }}_done, { {{ channel.names(id) }} }, {{ id }}_vectors[{{ id }}_done]);
            end
        end
    end
{%- endif %}
{% endfor %}{% endfor %}
    wire done = {% for instance in instances %}{% for channel in instance.channels %}{{ instance.short }}_{{ channel.prefix }}_done >= {{ channel.count }} && {% endfor %}{% endfor %}1;
    integer settle = 0;
    always @(posedge clk) begin
        cycle <= cycle + 1;
        if (cycle == 0) fast <= $test$plusargs("fast") != 0;
        if (cycle == 4) rst <= 0;
        if (done) settle <= settle + 1;
        if (settle == 64) begin
            if (errors != 0) begin
                $display("FAIL: %0d transfers differ", errors);
                $fatal(1);
            end
            $display("PASS: {{ transfers }} transfers equal in %0d cycles", cycle);
            $finish;
        end
        if (cycle == {{ limit }}) begin
            $display("FAIL: not done after %0d cycles", cycle);
            $fatal(1);
        end
    end
endmodule
