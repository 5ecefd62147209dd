// Around a synthesised accelerator: frames in, results out, both as files of hexadecimal lines; see main.cpp.
//
// +frames=FILE: a beat a line, offered one after the other without a gap once `go` is high. +results=FILE: a result a
// line. `results`: how many so far.

module activity_bench #(
    parameter BEAT_BITS = 1,
    parameter RESULT_BITS = 1
) (
    input clk, rst, go,
    output reg [31:0] results
);
    integer frames_file, results_file, read;
    string frames_path, results_path;
    reg [BEAT_BITS-1:0] beat, next;
    reg offered, ended;
    wire ready, valid;
    wire [RESULT_BITS-1:0] result;

    initial begin
        {results, beat, next, offered, ended} = 0;
        if (!$value$plusargs("frames=%s", frames_path) || !$value$plusargs("results=%s", results_path))
            $fatal(1, "bench: +frames=FILE and +results=FILE are needed");
        frames_file = $fopen(frames_path, "r");
        results_file = $fopen(results_path, "w");
        if (frames_file == 0 || results_file == 0) $fatal(1, "bench: a file can't be opened");
    end

    accelerator dut (
        .clk(clk), .rst(rst), .i_payload(beat), .i_valid(offered), .i_ready(ready),
        .o_payload(result), .o_valid(valid), .o_ready(1'b1)
    );

    always @(posedge clk) begin
        if (go && !ended && (ready || !offered)) begin
            read = $fscanf(frames_file, "%h", next);
            if (read == 1) begin
                beat <= next;
                offered <= 1;
            end else begin
                offered <= 0;
                ended <= 1;
            end
        end
        if (valid) begin
            $fwrite(results_file, "%h\n", result);
            results <= results + 1;
        end
    end
    final $fclose(results_file);
endmodule

// 64 nets of the netlist, sampled just before each rising edge; cell INDEX counts from 0.
module activity_probe #(
    parameter INDEX = 0
) (
    input clk,
    input [63:0] nets
);
    import "DPI-C" function void activity_sample(input int index, input longint unsigned nets);
    always @(posedge clk) activity_sample(INDEX, nets);
endmodule
