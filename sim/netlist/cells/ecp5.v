// Block RAM and multiplier of Lattice ECP5 (FPGA-TN-02204, "ECP5 and ECP5-5G Memory Usage Guide"; FPGA-TN-02205, the
// guide to its multipliers), in the modes that yosys uses: no output register, no reset of the output, chip select 000.
// Anything else ends the simulation.
//
// 1,024 words of 18 bits: two bytes, each with a ninth bit on top. A port of 9 bits or less sees one byte, of 4, 2 or
// 1 bits a part of its low eight. With 36 bits port A only writes and port B only reads: the even word is on the pins
// of A, the odd one on those of B. Two ports that meet at one address: a read gets what was there before.

module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter GSR = "ENABLED",
    parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0, INITVAL_05 = 0,
    parameter [319:0] INITVAL_06 = 0, INITVAL_07 = 0, INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0,
    parameter [319:0] INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0, INITVAL_10 = 0, INITVAL_11 = 0,
    parameter [319:0] INITVAL_12 = 0, INITVAL_13 = 0, INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0,
    parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0, INITVAL_1C = 0, INITVAL_1D = 0,
    parameter [319:0] INITVAL_1E = 0, INITVAL_1F = 0, INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0,
    parameter [319:0] INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0, INITVAL_28 = 0, INITVAL_29 = 0,
    parameter [319:0] INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0,
    parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0, INITVAL_34 = 0, INITVAL_35 = 0,
    parameter [319:0] INITVAL_36 = 0, INITVAL_37 = 0, INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0,
    parameter [319:0] INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0
) (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1,
    input DIA0, ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
    output DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1,
    input DIB0, ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
    output DOB0
);
    localparam [64*320-1:0] CONTENTS = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
        INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
        INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
        INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
        INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
        INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
        INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00};

    wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
                       DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
                       DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire clka = CLKAMUX == "INV" ? ~CLKA : CLKA;
    wire clkb = CLKBMUX == "INV" ? ~CLKB : CLKB;
    wire ena = CEA & {CSA2, CSA1, CSA0} == 0;
    wire enb = CEB & {CSB2, CSB1, CSB0} == 0;

    reg [17:0] words [0:1023];
    reg [17:0] doa = 0, dob = 0;
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
            DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = doa;
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
            DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} = dob;

    integer n;
    initial begin
        for (n = 0; n < 1024; n = n + 1) words[n] = CONTENTS[(n / 16) * 320 + (n % 16) * 20 +: 18];
        if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CSDECODE_A != "0b000" || CSDECODE_B != "0b000")
            $fatal(1, "DP16KD %m: output registers and chip select codes are not modelled");
        if (DATA_WIDTH_A == 36 && WRITEMODE_A != "NORMAL")
            $fatal(1, "DP16KD %m: a write mode is not modelled at 36 bits");
    end

    // the first of the bits of a word that the low half of an address stands for
    function [4:0] place(input integer width, input [3:0] low);
        case (width)
            1: place = 9 * low[3] + low[2:0];
            2: place = 9 * low[3] + 2 * low[2:1];
            4: place = 9 * low[3] + 4 * low[2];
            9: place = 9 * low[3];
            default: place = 0;
        endcase
    endfunction

    // what a port reads in READBEFOREWRITE mode or without a write, and in WRITETHROUGH mode
    function [17:0] part(input integer width, input [17:0] word, input [3:0] low);
        part = (word >> place(width, low)) & (width >= 18 ? 18'h3ffff : (18'd1 << width) - 18'd1);
    endfunction

    function [17:0] through(input integer width, input [17:0] old, input [17:0] value, input [3:0] low);
        if (width >= 18) through = {low[1] ? value[17:9] : old[17:9], low[0] ? value[8:0] : old[8:0]};
        else through = part(width, value, 0);
    endfunction

    wire [17:0] olda = part(DATA_WIDTH_A, words[ada[13:4]], ada[3:0]);
    wire [17:0] oldb = part(DATA_WIDTH_B, words[adb[13:4]], adb[3:0]);
    localparam BITS_A = DATA_WIDTH_A >= 18 ? 9 : DATA_WIDTH_A, BITS_B = DATA_WIDTH_B >= 18 ? 9 : DATA_WIDTH_B;

    // writes are bit by bit: the other port may write the rest of the word
    generate
        if (DATA_WIDTH_A == 36) begin
            always @(posedge clka) if (ena & WEA) begin
                if (ada[0]) words[{ada[13:5], 1'b0}][8:0] <= dia[8:0];
                if (ada[1]) words[{ada[13:5], 1'b0}][17:9] <= dia[17:9];
                if (ada[2]) words[{ada[13:5], 1'b1}][8:0] <= dib[8:0];
                if (ada[3]) words[{ada[13:5], 1'b1}][17:9] <= dib[17:9];
            end
        end else if (DATA_WIDTH_A == 18) begin
            always @(posedge clka) if (ena & WEA) begin
                if (ada[0]) words[ada[13:4]][8:0] <= dia[8:0];
                if (ada[1]) words[ada[13:4]][17:9] <= dia[17:9];
            end
        end else begin
            always @(posedge clka) if (ena & WEA)
                words[ada[13:4]][place(DATA_WIDTH_A, ada[3:0]) +: BITS_A] <= dia[BITS_A-1:0];
        end
        if (DATA_WIDTH_B == 36) begin
            always @(posedge clkb) if (enb) begin
                if (WEB) $fatal(1, "DP16KD %m: port B of 36 bits does not write");
                doa <= words[{adb[13:5], 1'b0}];
                dob <= words[{adb[13:5], 1'b1}];
            end
        end else begin
            if (DATA_WIDTH_B == 18) begin
                always @(posedge clkb) if (enb & WEB) begin
                    if (adb[0]) words[adb[13:4]][8:0] <= dib[8:0];
                    if (adb[1]) words[adb[13:4]][17:9] <= dib[17:9];
                end
            end else begin
                always @(posedge clkb) if (enb & WEB)
                    words[adb[13:4]][place(DATA_WIDTH_B, adb[3:0]) +: BITS_B] <= dib[BITS_B-1:0];
            end
            always @(posedge clka) if (ena & (!WEA | WRITEMODE_A != "NORMAL"))
                doa <= WEA & WRITEMODE_A == "WRITETHROUGH" ? through(DATA_WIDTH_A, olda, dia, ada[3:0]) : olda;
            always @(posedge clkb) if (enb & (!WEB | WRITEMODE_B != "NORMAL"))
                dob <= WEB & WRITEMODE_B == "WRITETHROUGH" ? through(DATA_WIDTH_B, oldb, dib, adb[3:0]) : oldb;
        end
    endgenerate

    always @(posedge clka) if (RSTA) $fatal(1, "DP16KD %m: reset of the output is not modelled");
    always @(posedge clkb) if (RSTB) $fatal(1, "DP16KD %m: reset of the output is not modelled");
endmodule

// Multiplier without registers, 18 by 18 bits, each signed or not. Register options, which are parameters, and sources
// other than A and B are not modelled.
module MULT18X18D (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
    output P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
    wire signed [18:0] a = {SIGNEDA & A17, A17, A16, A15, A14, A13, A12, A11, A10, A9,
                              A8, A7, A6, A5, A4, A3, A2, A1, A0};
    wire signed [18:0] b = {SIGNEDB & B17, B17, B16, B15, B14, B13, B12, B11, B10, B9,
                              B8, B7, B6, B5, B4, B3, B2, B1, B0};
    wire signed [37:0] product = a * b;
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
        P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = product[35:0];
    initial if (SOURCEA || SOURCEB) $fatal(1, "MULT18X18D %m: shifted sources are not modelled");
endmodule
