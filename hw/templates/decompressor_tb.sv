// Self-checking: a processor that decodes the tensors of the vectors, by registers, and compares every byte.
// Run from the project's folder: iverilog -g2012 -o tb.vvp rtl/*.sv tb/*_tb.sv && vvp tb.vvp
`timescale 1ns / 1ps
module {{ name }}_tb;
    localparam JOBS = {{ jobs }}, WRITES = {{ writes }}, BODIES = {{ bodies }}, BEATS = {{ beats }};
    reg clk = 0, rst = 1;
    always #5 clk = ~clk;

    reg [63:0] writes[0:WRITES - 1];    // address, data
    reg [31:0] jobs[0:JOBS - 1];        // writes of the job
    reg [{{ bus_bits + bus_bits // 8 }}:0] bodies[0:BODIES - 1];   // tlast, tkeep, tdata
    reg [289:0] weights[0:BEATS - 1];   // tuser, tlast, tkeep, tdata
    initial begin
        $readmemh("tb/writes.hex", writes);
        $readmemh("tb/jobs.hex", jobs);
        $readmemh("tb/bodies.hex", bodies);
        $readmemh("tb/weights.hex", weights);
    end

    reg [{{ address_bits - 1 }}:0] awaddr = 0, araddr = 0;
    reg [31:0] wdata = 0;
    reg awvalid = 0, wvalid = 0, arvalid = 0;
    wire awready, wready, bvalid, arready, rvalid, irq;
    wire [1:0] bresp, rresp;
    wire [31:0] rdata;

    integer sent = 0, came = 0, wrong = 0, job, k, next = 0;
    wire body_ready, weights_valid, weights_last, weights_user;
    wire [31:0] weights_keep;
    wire [255:0] weights_data;
    reg [31:0] dice = 7;
    wire ready = dice[3] | dice[9];

    {{ name }} dut (
        .clk(clk), .rst(rst), .irq(irq),
        .s_axis_tvalid(!rst && sent < BODIES), .s_axis_tready(body_ready),
        .s_axis_tdata(bodies[sent < BODIES ? sent : 0][{{ bus_bits - 1 }}:0]),
        .s_axis_tkeep(bodies[sent < BODIES ? sent : 0][{{ bus_bits + bus_bits // 8 - 1 }}:{{ bus_bits }}]),
        .s_axis_tlast(bodies[sent < BODIES ? sent : 0][{{ bus_bits + bus_bits // 8 }}]),
        .m_axis_tvalid(weights_valid), .m_axis_tready(ready), .m_axis_tdata(weights_data),
        .m_axis_tkeep(weights_keep), .m_axis_tlast(weights_last), .m_axis_tuser(weights_user),
        .s_axil_awaddr(awaddr), .s_axil_awprot(3'b0), .s_axil_awvalid(awvalid), .s_axil_awready(awready),
        .s_axil_wdata(wdata), .s_axil_wstrb(4'hF), .s_axil_wvalid(wvalid), .s_axil_wready(wready),
        .s_axil_bresp(bresp), .s_axil_bvalid(bvalid), .s_axil_bready(1'b1),
        .s_axil_araddr(araddr), .s_axil_arprot(3'b0), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
        .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid), .s_axil_rready(1'b1)
    );

    always @(posedge clk) begin
        dice <= {dice[30:0], dice[31] ^ dice[21] ^ dice[1] ^ dice[0]};
        if (!rst && sent < BODIES && body_ready) sent <= sent + 1;
        if (weights_valid && ready) begin
            if (came >= BEATS || {weights_user, weights_last, weights_keep, weights_data} !== weights[came]) begin
                $display("beat %0d is %h, not %h", came, {weights_user, weights_last, weights_keep, weights_data}, weights[came]);
                wrong <= wrong + 1;
            end
            came <= came + 1;
        end
    end

    task write(input [{{ address_bits - 1 }}:0] address, input [31:0] data);
        begin
            @(negedge clk);
            awaddr = address; wdata = data; awvalid = 1; wvalid = 1;
            while (!awready || !wready) @(negedge clk);
            @(negedge clk);
            awvalid = 0; wvalid = 0;
            while (!bvalid) @(negedge clk);
        end
    endtask

    initial begin
        repeat (4) @(negedge clk);
        rst = 0;
        write({{ enable }}, 3);
        for (job = 0; job < JOBS; job = job + 1) begin
            for (k = 0; k < jobs[job]; k = k + 1) begin
                write(writes[next][63:32], writes[next][31:0]);
                next = next + 1;
            end
            k = 0;
            while (!irq && k < {{ limit }}) begin
                @(negedge clk);
                k = k + 1;
            end
            if (!irq) begin
                $display("FAIL: tensor %0d does not end", job);
                $finish_and_return(1);
            end
            write({{ interrupt }}, 3);
        end
        repeat (200) @(negedge clk);
        if (wrong == 0 && came == BEATS && sent == BODIES) $display("PASS: %0d tensors, %0d beats", JOBS, BEATS);
        else begin
            $display("FAIL: %0d of %0d beats came, %0d differ", came, BEATS, wrong);
            $finish_and_return(1);
        end
        $finish;
    end
endmodule
