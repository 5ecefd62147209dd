// Sends frames over AXI4-Stream to an IP block of s2nn-hw, checks every word of every result, and its registers.
//
// +reset=start   aresetn low from time 0 for four cycles (default)
// +reset=late    high at first while frames already go in, then low for four cycles in the middle of one
// +reset=none    high all the time: the block starts from its initial values
// +stall=N       source and sink hold back in N of 100 cycles, 0 (default) to 90; frames then follow without a gap
// +errors=1      between good frames there are some whose tlast comes too early or too late; frames without a gap
//
// +frames=N      the first N frames alone, 1 to FRAMES (default)
//
// Without +stall and +errors each frame is sent alone, and cycles and latency are compared, too, where the cycle model
// says them (EXACT). Each result prints a line when it has come. Ends with "PASS: ..." and status 0, or with "FAIL: ..." and another status. You may use and change
// this file under any terms.

module s2nn_axis_bench #(
    parameter IN_WIDTH = 8,          // bits of s_axis_tdata
    parameter TRANSFERS = 1,         // of a frame
    parameter OUT_WIDTH = 32,        // bits of m_axis_tdata
    parameter RESULT_TRANSFERS = 1,  // of a result
    parameter FRAMES = 1,
    parameter PATIENCE = 1000,       // cycles within which a result must come when nothing stalls
    parameter DRAIN = 0,             // cycles in which the block is idle again, and is ready after a reset
    parameter EXACT = 0,             // 1: cycles and latencies are as in the files; 0: latencies are at most those, with one clock
    parameter LITE = 0,              // 1: there are registers
    parameter CONSTANTS = 1,         // lines of REGISTERS_FILE
    parameter CROSSING = 0,          // 1: the circuit has a clock of its own, and latencies are not compared
    parameter HALF = 5,              // half a period of aclk, and of core_clk
    parameter CORE_HALF = 5,
    parameter FRAMES_FILE = "",      // a transfer of s_axis a line, hexadecimal
    parameter RESULTS_FILE = "",     // a transfer of m_axis a line
    parameter MASK_FILE = "",        // of each transfer of a result: bits that are compared although frames stall
    parameter LATENCIES_FILE = "",   // of each frame: cycles from its first transfer to its result's first, both counted
    parameter REGISTERS_FILE = ""    // address and value, 32 bits each, of registers that never change
) (
    output reg aclk,
    output reg aresetn,
    output reg core_clk,
    output wire [IN_WIDTH-1:0] s_axis_tdata,
    output wire s_axis_tvalid,
    input wire s_axis_tready,
    output wire s_axis_tlast,
    input wire [OUT_WIDTH-1:0] m_axis_tdata,
    input wire m_axis_tvalid,
    output wire m_axis_tready,
    input wire m_axis_tlast,
    input wire frame_error,
    output reg [11:0] s_axi_awaddr,
    output wire [2:0] s_axi_awprot,
    output reg s_axi_awvalid,
    input wire s_axi_awready,
    output reg [31:0] s_axi_wdata,
    output wire [3:0] s_axi_wstrb,
    output reg s_axi_wvalid,
    input wire s_axi_wready,
    input wire [1:0] s_axi_bresp,
    input wire s_axi_bvalid,
    output wire s_axi_bready,
    output reg [11:0] s_axi_araddr,
    output wire [2:0] s_axi_arprot,
    output reg s_axi_arvalid,
    input wire s_axi_arready,
    input wire [31:0] s_axi_rdata,
    input wire [1:0] s_axi_rresp,
    input wire s_axi_rvalid,
    output wire s_axi_rready
);
    localparam GOOD = 0, SHORT = 1, LONG = 2;
    localparam LATE = DRAIN + TRANSFERS / 2 + 20;
    localparam CUT = TRANSFERS > 1 ? (TRANSFERS + 1) / 2 : 1;  // transfers of a short frame

    reg [IN_WIDTH-1:0] frames [0:FRAMES*TRANSFERS-1];
    reg [OUT_WIDTH-1:0] results [0:FRAMES*RESULT_TRANSFERS-1];
    reg [OUT_WIDTH-1:0] mask [0:RESULT_TRANSFERS-1];
    reg [31:0] latencies [0:FRAMES-1];
    reg [63:0] constants [0:CONSTANTS-1];
    reg [8*8-1:0] reset_kind;
    reg go_in, go_out, ended, alone, streamed, offered;
    reg [31:0] noise_in, noise_out, read;
    reg [OUT_WIDTH-1:0] seen, care;
    integer stall, errors, count, cycle, gap, waited, failed, k;
    integer frame, kind, place;                        // what is being sent
    integer answer, part, began, shorts, longs, pulses;  // what came

    wire [31:0] length = kind == SHORT ? CUT : kind == LONG ? TRANSFERS + 3 : TRANSFERS;
    wire [31:0] after = frame % 2 == 1 && TRANSFERS > 1 ? SHORT : LONG;
    wire sending = frame < count && gap == 0 && (!alone || answer == frame);

    assign s_axis_tdata = frames[frame * TRANSFERS + place % TRANSFERS];
    assign s_axis_tvalid = go_in && sending;
    assign s_axis_tlast = place == length - 1;
    assign m_axis_tready = go_out;
    assign s_axi_awprot = 0;
    assign s_axi_arprot = 0;
    assign s_axi_wstrb = 4'hf;
    assign s_axi_bready = 1;
    assign s_axi_rready = 1;

    initial begin
        aclk = 0;
        core_clk = 0;
        if (!$value$plusargs("reset=%s", reset_kind)) reset_kind = "start";
        if (!$value$plusargs("stall=%d", stall)) stall = 0;
        if (!$value$plusargs("errors=%d", errors)) errors = 0;
        if (!$value$plusargs("frames=%d", count)) count = FRAMES;
        if (reset_kind != "start" && reset_kind != "late" && reset_kind != "none")
            $fatal(1, "FAIL: +reset must be start, late or none");
        if ((stall >= 0 && stall <= 90) !== 1) $fatal(1, "FAIL: +stall must be 0 to 90");
        if ((errors >= 0 && errors <= 1) !== 1) $fatal(1, "FAIL: +errors must be 0 or 1");
        if ((count >= 1 && count <= FRAMES) !== 1) $fatal(1, "FAIL: +frames must be 1 to %0d", FRAMES);
        alone = stall == 0 && errors == 0;
        aresetn = reset_kind != "start";
        {go_in, go_out} = 2'b11;
        {ended, streamed} = 0;
        {s_axi_awvalid, s_axi_wvalid, s_axi_arvalid} = 0;
        noise_in = 1;
        noise_out = 2;
        {cycle, failed} = 0;
        restart;
        $readmemh(FRAMES_FILE, frames);
        $readmemh(RESULTS_FILE, results);
        $readmemh(MASK_FILE, mask);
        $readmemh(LATENCIES_FILE, latencies);
        if (LITE != 0) $readmemh(REGISTERS_FILE, constants);
        wait (streamed);
        if (LITE != 0) check_registers;
        finish;
    end

    always #HALF aclk = ~aclk;
    always #CORE_HALF core_clk = ~core_clk;

    task restart;
        begin
            {frame, kind, place, answer, part, waited, began, shorts, longs, pulses} = 0;
            offered = 0;
            gap = DRAIN;
        end
    endtask

    // what this drives changes at the falling edge, far from the edge at which the circuit looks
    always @(posedge aclk) if (!ended && !streamed) begin
        cycle <= cycle + 1;
        if (frame_error) pulses <= pulses + 1;
        waited <= waited + 1;
        if (gap != 0) gap <= gap - 1;
        if (s_axis_tvalid && s_axis_tready) begin
            if (place == 0 && kind == GOOD) began <= cycle;
            if (place < length - 1) place <= place + 1;
            else begin
                place <= 0;
                waited <= 0;
                if (kind == SHORT) shorts <= shorts + 1;
                if (kind == LONG) longs <= longs + 1;
                if (kind == GOOD && errors != 0) kind <= after;
                else begin
                    kind <= GOOD;
                    frame <= frame + 1;
                end
            end
        end
        if (m_axis_tvalid && !offered && alone) check_latency;
        if (m_axis_tvalid) offered <= 1;
        if (m_axis_tvalid && m_axis_tready) begin
            check;
            waited <= 0;
            if (part == RESULT_TRANSFERS - 1) begin
                part <= 0;
                offered <= 0;
                answer <= answer + 1;
                $display("result %0d of %0d", answer + 1, count);
                $fflush;
                gap <= alone ? DRAIN : 0;
            end else part <= part + 1;
        end else if (answer == count && frame == count) begin
            if (waited > PATIENCE) streamed <= 1;  // nothing more may come
        end else if (waited > (stall == 0 ? PATIENCE : 25 * PATIENCE)) begin
            $display("frame %0d: no result", answer);
            failed <= failed + count - answer;
            streamed <= 1;
        end
    end

    always @(negedge aclk) begin
        if (reset_kind == "start" && cycle == 4) aresetn <= 1;
        if (reset_kind == "late") aresetn <= !(cycle >= LATE && cycle < LATE + 4);
        if (!aresetn) restart;
        // a linear congruential generator: the same stalls in every simulator
        noise_in <= noise_in * 32'd1664525 + 32'd1013904223;
        noise_out <= noise_out * 32'd1664525 + 32'd1013904223;
        // valid and ready, once given, are not taken back
        if (!(s_axis_tvalid && !s_axis_tready)) go_in <= {16'd0, noise_in[31:16]} % 100 >= stall;
        if (!(go_out && !m_axis_tvalid)) go_out <= {16'd0, noise_out[31:16]} % 100 >= stall;
    end

    task check;
        begin
            if (answer >= count) begin
                failed = failed + 1;
                $display("there is a result more than %0d", count);
            end else begin
                care = EXACT != 0 && alone ? {OUT_WIDTH{1'b1}} : mask[part];
                seen = (m_axis_tdata ^ results[answer * RESULT_TRANSFERS + part]) & care;
                if (seen !== 0 || m_axis_tlast !== (part == RESULT_TRANSFERS - 1)) begin
                    failed = failed + 1;
                    $display("frame %0d, transfer %0d of its result: %h, tlast %b; expected %h where %h has ones", answer,
                             part, m_axis_tdata, m_axis_tlast, results[answer * RESULT_TRANSFERS + part], care);
                end
            end
        end
    endtask

    task check_latency;
        begin
            k = cycle - began + 1;
            if (EXACT != 0 ? k != latencies[answer] : CROSSING == 0 && k > latencies[answer]) begin
                failed = failed + 1;
                $display("frame %0d: latency %0d, expected %0d", answer, k, latencies[answer]);
            end
        end
    endtask

    task read_register;
        input [31:0] address;
        begin
            @(negedge aclk);
            s_axi_araddr = address[11:0];
            s_axi_arvalid = 1;
            @(posedge aclk);
            while (!s_axi_arready) @(posedge aclk);
            @(negedge aclk);
            s_axi_arvalid = 0;
            while (!s_axi_rvalid) @(negedge aclk);
            read = s_axi_rdata;
            @(posedge aclk);
        end
    endtask

    task expect_register;
        input [31:0] address, value;
        begin
            read_register(address);
            if (read !== value) begin
                failed = failed + 1;
                $display("register %h: %h, expected %h", address, read, value);
            end
        end
    endtask

    task write_register;
        input [31:0] address, value;
        begin
            @(negedge aclk);
            s_axi_awaddr = address[11:0];
            s_axi_wdata = value;
            {s_axi_awvalid, s_axi_wvalid} = 2'b11;
            @(posedge aclk);
            while (!(s_axi_awready && s_axi_wready)) @(posedge aclk);
            @(negedge aclk);
            {s_axi_awvalid, s_axi_wvalid} = 0;
            while (!s_axi_bvalid) @(negedge aclk);
            @(posedge aclk);
        end
    endtask

    task check_registers;
        begin
            for (k = 0; k < CONSTANTS; k = k + 1) expect_register(constants[k][63:32], constants[k][31:0]);
            read = 1;
            for (k = 0; k < 10 && read[0]; k = k + 1) begin  // the last frame, a bad one, may still be worked on
                repeat (PATIENCE) @(posedge aclk);
                read_register(32'h0c);
            end
            expect_register(32'h0c, (shorts != 0 ? 2 : 0) | (longs != 0 ? 4 : 0));
            expect_register(32'h10, count);
            expect_register(32'h14, count);
            expect_register(32'h18, shorts);
            expect_register(32'h1c, longs);
            write_register(32'h08, 2);
            for (k = 3; k < 8; k = k + 1) expect_register(4 * k, 0);
        end
    endtask

    task finish;
        begin
            ended = 1;
            if (pulses != shorts + longs) begin
                failed = failed + 1;
                $display("frame_error was high for %0d cycles, expected %0d", pulses, shorts + longs);
            end
            if (failed != 0) $fatal(1, "FAIL: %0d differences in %0d frames", failed, count);
            $write("PASS: %0d frames equal the golden model's", count);
            if (EXACT != 0 && alone) $write(", cycles and latencies too");
            if (errors != 0) $write(", %0d bad ones between them gave no result", shorts + longs);
            $display("");
            $finish;
        end
    endtask
endmodule
