// Sends test vectors to a circuit of s2nn-hw and checks every class, score and cycle count.
//
// +reset=start   high from time 0 for four cycles (default)
// +reset=late    low at first while frames already go in, then high for four cycles in the middle of them
// +reset=none    low all the time: the circuit starts from its initial values
// +stall=N       source and sink hold back in N of 100 cycles, 0 (default) to 90; cycles are then not compared
//
// Ends with "PASS: ..." and status 0, or with "FAIL: ..." and another status. You may use and change this file under
// any terms.

module s2nn_bench #(
    parameter BEAT_WIDTH = 1,    // bits of i_payload
    parameter BEATS = 1,         // of a frame
    parameter CLASS_WIDTH = 1,   // o_payload is {cycles, scores, class}
    parameter SCORES_WIDTH = 1,
    parameter CYCLES_WIDTH = 32,
    parameter FRAMES = 1,
    parameter PATIENCE = 1000,   // cycles within which a result must come when nothing stalls
    parameter DRAIN = 0,         // cycles that the circuit may work on after a result, and ahead before the first frame
    parameter BEATS_FILE = "",   // a beat a line, hexadecimal
    parameter RESULTS_FILE = ""  // o_payload of a frame a line, hexadecimal
) (
    output reg clk,
    output reg rst,
    output wire [BEAT_WIDTH-1:0] i_payload,
    output wire i_valid,
    input wire i_ready,
    input wire [CYCLES_WIDTH+SCORES_WIDTH+CLASS_WIDTH-1:0] o_payload,
    input wire o_valid,
    output wire o_ready
);
    localparam RESULT_WIDTH = CYCLES_WIDTH + SCORES_WIDTH + CLASS_WIDTH;
    localparam LATE = DRAIN + BEATS / 2 + 20;

    reg [BEAT_WIDTH-1:0] beats [0:FRAMES*BEATS-1];
    reg [RESULT_WIDTH-1:0] results [0:FRAMES-1];
    reg [RESULT_WIDTH-1:0] wanted;
    reg [8*8-1:0] reset_kind;
    reg go_in, go_out, ended;
    reg [31:0] noise_in, noise_out;
    integer stall, cycle, frame, beat, waited, gap, failed;

    assign i_payload = beats[frame * BEATS + beat];
    assign i_valid = go_in && beat < BEATS && gap == 0;
    assign o_ready = go_out;

    initial begin
        clk = 0;
        if (!$value$plusargs("reset=%s", reset_kind)) reset_kind = "start";
        if (!$value$plusargs("stall=%d", stall)) stall = 0;
        if (reset_kind != "start" && reset_kind != "late" && reset_kind != "none")
            $fatal(1, "FAIL: +reset must be start, late or none");
        if ((stall >= 0 && stall <= 90) !== 1) $fatal(1, "FAIL: +stall must be 0 to 90");
        rst = reset_kind == "start";
        go_in = 1;
        go_out = 1;
        ended = 0;
        noise_in = 1;
        noise_out = 2;
        {cycle, frame, beat, waited, failed} = 0;
        gap = DRAIN;
        $readmemh(BEATS_FILE, beats);
        $readmemh(RESULTS_FILE, results);
    end

    always #5 clk = ~clk;

    // what this drives changes at the falling edge, far from the edge at which the circuit looks
    always @(posedge clk) if (!ended) begin
        if (rst) begin
            frame <= 0;
            beat <= 0;
            waited <= 0;
            gap <= DRAIN;
        end else begin
            waited <= waited + 1;
            if (gap != 0) gap <= gap - 1;
            if (i_valid && i_ready) beat <= beat + 1;
            if (o_valid && o_ready) begin
                check;
                waited <= 0;
                beat <= 0;
                gap <= DRAIN;
                if (frame == FRAMES - 1) finish;
                else frame <= frame + 1;
            end else if (waited > (stall == 0 ? PATIENCE : 25 * PATIENCE)) begin
                $display("frame %0d: no result", frame);
                failed = FRAMES - frame;
                finish;
            end
        end
        cycle <= cycle + 1;
    end

    always @(negedge clk) begin
        if (reset_kind == "start" && cycle == 4) rst <= 0;
        if (reset_kind == "late") rst <= cycle >= LATE && cycle < LATE + 4;
        // a linear congruential generator: the same stalls in every simulator
        noise_in <= noise_in * 32'd1664525 + 32'd1013904223;
        noise_out <= noise_out * 32'd1664525 + 32'd1013904223;
        // valid and ready, once given, are not taken back
        if (!(i_valid && !i_ready)) go_in <= {16'd0, noise_in[31:16]} % 100 >= stall;
        if (!(go_out && !o_valid)) go_out <= {16'd0, noise_out[31:16]} % 100 >= stall;
    end

    task check;
        begin
            wanted = results[frame];
            if (o_payload[CLASS_WIDTH-1:0] !== wanted[CLASS_WIDTH-1:0]
                    || o_payload[CLASS_WIDTH+:SCORES_WIDTH] !== wanted[CLASS_WIDTH+:SCORES_WIDTH]
                    || (stall == 0 && o_payload[CLASS_WIDTH+SCORES_WIDTH+:CYCLES_WIDTH]
                        !== wanted[CLASS_WIDTH+SCORES_WIDTH+:CYCLES_WIDTH])) begin
                failed = failed + 1;
                $display("frame %0d: class %0d, scores %h, cycles %0d; expected class %0d, scores %h, cycles %0d", frame,
                         o_payload[CLASS_WIDTH-1:0], o_payload[CLASS_WIDTH+:SCORES_WIDTH],
                         o_payload[CLASS_WIDTH+SCORES_WIDTH+:CYCLES_WIDTH], wanted[CLASS_WIDTH-1:0],
                         wanted[CLASS_WIDTH+:SCORES_WIDTH], wanted[CLASS_WIDTH+SCORES_WIDTH+:CYCLES_WIDTH]);
            end
        end
    endtask

    task finish;
        begin
            ended = 1;
            if (failed != 0) $fatal(1, "FAIL: %0d of %0d frames differ", failed, FRAMES);
            if (stall == 0) $display("PASS: %0d frames, class, scores and cycles equal the golden model's", FRAMES);
            else $display("PASS: %0d frames, class and scores equal the golden model's", FRAMES);
            $finish;
        end
    endtask
endmodule
