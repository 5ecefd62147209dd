// Block RAM of Xilinx 7 series (AMD UG473, "7 Series FPGAs Memory Resources"), in the modes that yosys and hw/outreg.py
// use: no reset of the output, no cascade, no ECC. Anything else ends the simulation. Outputs start at 0.
//
// A row of bytes, each with a parity bit on top. Addresses count bits; parity bits have no address of their own. Ports
// of 9 bits or more see whole bytes, narrower ones a part of one without its parity. In simple dual port mode A reads
// and B writes, and at full width the upper half is on the pins of B. Two ports that meet at one address: a read gets
// what was there before, which is what READ_FIRST promises for one clock.
//
// The output register of a port has the port's clock and an enable of its own, REGCE, beside that of the memory. In
// simple dual port mode A reads, so clock and REGCE of A are those of both halves.

module xc7_block_ram #(
    parameter BYTES = 2048,
    parameter PINS = 2,  // bytes of data pins on each port
    parameter RAM_MODE = "TDP",
    parameter READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
    parameter WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
    parameter REGISTER_A = 0, REGISTER_B = 0, CASCADED = 0,
    parameter [8*BYTES-1:0] CONTENTS = 0,
    parameter [BYTES-1:0] PARITY = 0,
    localparam A = $clog2(8 * BYTES)
) (
    input clka, clkb, ena, enb, rsta, rstb, regcea, regceb, rstrega, rstregb,
    input [A-1:0] addra, addrb,
    input [8*PINS-1:0] dia, dib,
    input [PINS-1:0] dipa, dipb,
    input [PINS-1:0] wea,
    input [2*PINS-1:0] web,
    output [8*PINS-1:0] doa, dob,
    output [PINS-1:0] dopa, dopb
);
    reg [8:0] bytes [0:BYTES-1];
    reg [9*PINS-1:0] qa = 0, qb = 0;  // bytes with their parity
    wire [9*PINS-1:0] outa, outb;  // the same, behind the output registers
    genvar k;
    integer n;
    initial begin
        for (n = 0; n < BYTES; n = n + 1) bytes[n] = {PARITY[n], CONTENTS[8*n +: 8]};
        if (RAM_MODE == "SDP" && (REGISTER_A != 0) != (REGISTER_B != 0))
            $fatal(1, "block RAM %m: in simple dual port mode both halves have an output register or none");
        if (CASCADED) $fatal(1, "block RAM %m: cascades are not modelled");
        if (RAM_MODE == "SDP" && (WRITE_WIDTH_A != 0 || READ_WIDTH_B != 0))
            $fatal(1, "block RAM %m: in simple dual port mode A reads and B writes");
    end

    // the first of the bits of a byte that address `low` stands for
    function [2:0] place(input integer width, input [2:0] low);
        place = width >= 9 ? 3'd0 : low & ~(width[2:0] - 3'd1);
    endfunction

    function [8:0] part(input integer width, input [8:0] value, input [2:0] low);
        if (width >= 9) part = value;
        else part = {1'b0, (value[7:0] >> place(width, low)) & ((8'd1 << width) - 8'd1)};
    endfunction

    localparam WIDE = 18 * PINS;  // simple dual port at full width
    localparam READ_A = READ_WIDTH_A < 9 ? 1 : READ_WIDTH_A / 9, READ_B = READ_WIDTH_B < 9 ? 1 : READ_WIDTH_B / 9;
    localparam WRITE_A = WRITE_WIDTH_A < 9 ? 1 : WRITE_WIDTH_A / 9, WRITE_B = WRITE_WIDTH_B < 9 ? 1 : WRITE_WIDTH_B / 9;

    localparam BITS_A = WRITE_WIDTH_A >= 9 || WRITE_WIDTH_A == 0 ? 9 : WRITE_WIDTH_A;
    localparam BITS_B = WRITE_WIDTH_B >= 9 || WRITE_WIDTH_B == 0 ? 9 : WRITE_WIDTH_B;
    localparam [8:0] LOW_A = (10'd1 << BITS_A) - 10'd1, LOW_B = (10'd1 << BITS_B) - 10'd1;

    generate
        for (k = 0; k < 2 * PINS; k = k + 1) begin : lane
            wire [A-4:0] reada = (addra[A-1:3] & ~(READ_A - 1)) | k, readb = (addrb[A-1:3] & ~(READ_B - 1)) | k;
            wire [A-4:0] ata = (addra[A-1:3] & ~(WRITE_A - 1)) | k, atb = (addrb[A-1:3] & ~(WRITE_B - 1)) | k;
            if (WRITE_WIDTH_A != 0 && k < WRITE_A) begin
                wire [8:0] value = {dipa[k], dia[8*k +: 8]};
                // bit by bit: the other port may write the rest of the byte
                always @(posedge clka) if (ena & wea[k])
                    bytes[ata][place(WRITE_WIDTH_A, addra[2:0]) +: BITS_A] <= value[BITS_A-1:0];
            end
            if (WRITE_WIDTH_B != 0 && k < WRITE_B) begin
                wire [8:0] value;
                if (WRITE_WIDTH_B == WIDE && k < PINS) assign value = {dipa[k], dia[8*k +: 8]};
                else assign value = {dipb[k % PINS], dib[8*(k % PINS) +: 8]};
                always @(posedge clkb) if (enb & web[k])
                    bytes[atb][place(WRITE_WIDTH_B, addrb[2:0]) +: BITS_B] <= value[BITS_B-1:0];
            end
            if (READ_WIDTH_A != 0 && k < READ_A) begin
                wire written = WRITE_WIDTH_A != 0 & |wea;
                wire [8:0] value;
                if (WRITE_MODE_A == "WRITE_FIRST" && WRITE_WIDTH_A != 0) begin
                    if (READ_WIDTH_A != WRITE_WIDTH_A)
                        initial $fatal(1, "block RAM %m: WRITE_FIRST at two widths is not modelled");
                    assign value = wea[k % PINS] ? {dipa[k % PINS], dia[8*(k % PINS) +: 8]} & LOW_A
                                                 : part(READ_WIDTH_A, bytes[reada], addra[2:0]);
                end else assign value = part(READ_WIDTH_A, bytes[reada], addra[2:0]);
                if (k < PINS) always @(posedge clka) if (ena & !(written & WRITE_MODE_A == "NO_CHANGE"))
                    qa[9*k +: 9] <= value;
                if (k >= PINS) always @(posedge clka) if (ena) qb[9*(k - PINS) +: 9] <= value;
            end
            if (READ_WIDTH_B != 0 && k < READ_B && k < PINS) begin
                wire written = WRITE_WIDTH_B != 0 & |web;
                wire [8:0] value;
                if (WRITE_MODE_B == "WRITE_FIRST" && WRITE_WIDTH_B != 0) begin
                    if (READ_WIDTH_B != WRITE_WIDTH_B)
                        initial $fatal(1, "block RAM %m: WRITE_FIRST at two widths is not modelled");
                    assign value = web[k] ? {dipb[k], dib[8*k +: 8]} & LOW_B
                                          : part(READ_WIDTH_B, bytes[readb], addrb[2:0]);
                end else assign value = part(READ_WIDTH_B, bytes[readb], addrb[2:0]);
                always @(posedge clkb) if (enb & !(written & WRITE_MODE_B == "NO_CHANGE"))
                    qb[9*k +: 9] <= value;
            end
        end
        for (k = 0; k < PINS; k = k + 1) begin : pins
            assign {dopa[k], doa[8*k +: 8]} = outa[9*k +: 9];
            assign {dopb[k], dob[8*k +: 8]} = outb[9*k +: 9];
        end
        if (REGISTER_A != 0) begin : register_a
            reg [9*PINS-1:0] held = 0;
            always @(posedge clka) if (regcea) held <= qa;
            always @(posedge clka) if (rstrega) $fatal(1, "block RAM %m: reset of the output is not modelled");
            assign outa = held;
        end else assign outa = qa;
        if (REGISTER_B != 0) begin : register_b
            reg [9*PINS-1:0] held = 0;
            if (RAM_MODE == "SDP") begin
                always @(posedge clka) if (regcea) held <= qb;
            end else begin
                always @(posedge clkb) if (regceb) held <= qb;
            end
            always @(posedge clkb) if (rstregb) $fatal(1, "block RAM %m: reset of the output is not modelled");
            assign outb = held;
        end else assign outb = qb;
    endgenerate

    always @(posedge clka) if (rsta & ena) $fatal(1, "block RAM %m: reset of the output is not modelled");
    always @(posedge clkb) if (rstb & enb) $fatal(1, "block RAM %m: reset of the output is not modelled");
endmodule

module RAMB18E1 #(
    parameter RAM_MODE = "TDP",
    parameter READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
    parameter WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
    parameter DOA_REG = 0, DOB_REG = 0,
    parameter RAM_EXTENSION_A = "NONE", RAM_EXTENSION_B = "NONE",
    parameter [71:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
    parameter [255:0] INITP_00 = 0, INITP_01 = 0, INITP_02 = 0, INITP_03 = 0, INITP_04 = 0, INITP_05 = 0,
    parameter [255:0] INITP_06 = 0, INITP_07 = 0,
    parameter [255:0] INIT_00 = 0, INIT_01 = 0, INIT_02 = 0, INIT_03 = 0, INIT_04 = 0, INIT_05 = 0,
    parameter [255:0] INIT_06 = 0, INIT_07 = 0, INIT_08 = 0, INIT_09 = 0, INIT_0A = 0, INIT_0B = 0,
    parameter [255:0] INIT_0C = 0, INIT_0D = 0, INIT_0E = 0, INIT_0F = 0, INIT_10 = 0, INIT_11 = 0,
    parameter [255:0] INIT_12 = 0, INIT_13 = 0, INIT_14 = 0, INIT_15 = 0, INIT_16 = 0, INIT_17 = 0,
    parameter [255:0] INIT_18 = 0, INIT_19 = 0, INIT_1A = 0, INIT_1B = 0, INIT_1C = 0, INIT_1D = 0,
    parameter [255:0] INIT_1E = 0, INIT_1F = 0, INIT_20 = 0, INIT_21 = 0, INIT_22 = 0, INIT_23 = 0,
    parameter [255:0] INIT_24 = 0, INIT_25 = 0, INIT_26 = 0, INIT_27 = 0, INIT_28 = 0, INIT_29 = 0,
    parameter [255:0] INIT_2A = 0, INIT_2B = 0, INIT_2C = 0, INIT_2D = 0, INIT_2E = 0, INIT_2F = 0,
    parameter [255:0] INIT_30 = 0, INIT_31 = 0, INIT_32 = 0, INIT_33 = 0, INIT_34 = 0, INIT_35 = 0,
    parameter [255:0] INIT_36 = 0, INIT_37 = 0, INIT_38 = 0, INIT_39 = 0, INIT_3A = 0, INIT_3B = 0,
    parameter [255:0] INIT_3C = 0, INIT_3D = 0, INIT_3E = 0, INIT_3F = 0
) (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
    input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    input [13:0] ADDRARDADDR, ADDRBWRADDR,
    input [15:0] DIADI, DIBDI,
    input [1:0] DIPADIP, DIPBDIP,
    input [1:0] WEA,
    input [3:0] WEBWE,
    output [15:0] DOADO, DOBDO,
    output [1:0] DOPADOP, DOPBDOP
);
    xc7_block_ram #(
        .BYTES(2048), .PINS(2), .RAM_MODE(RAM_MODE),
        .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
        .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B),
        .WRITE_MODE_A(WRITE_MODE_A), .WRITE_MODE_B(WRITE_MODE_B),
        .REGISTER_A(DOA_REG), .REGISTER_B(DOB_REG),
        .CASCADED(RAM_EXTENSION_A != "NONE" || RAM_EXTENSION_B != "NONE"),
        .CONTENTS({
            INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A, INIT_39, INIT_38, INIT_37, INIT_36,
            INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30, INIT_2F, INIT_2E, INIT_2D, INIT_2C,
            INIT_2B, INIT_2A, INIT_29, INIT_28, INIT_27, INIT_26, INIT_25, INIT_24, INIT_23, INIT_22,
            INIT_21, INIT_20, INIT_1F, INIT_1E, INIT_1D, INIT_1C, INIT_1B, INIT_1A, INIT_19, INIT_18,
            INIT_17, INIT_16, INIT_15, INIT_14, INIT_13, INIT_12, INIT_11, INIT_10, INIT_0F, INIT_0E,
            INIT_0D, INIT_0C, INIT_0B, INIT_0A, INIT_09, INIT_08, INIT_07, INIT_06, INIT_05, INIT_04,
            INIT_03, INIT_02, INIT_01, INIT_00}),
        .PARITY({
            INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00})
    ) ram (
        .clka(CLKARDCLK), .clkb(CLKBWRCLK), .ena(ENARDEN), .enb(ENBWREN),
        .rsta(RSTRAMARSTRAM | RSTREGARSTREG), .rstb(RSTRAMB | RSTREGB),
        .regcea(REGCEAREGCE), .regceb(REGCEB), .rstrega(RSTREGARSTREG), .rstregb(RSTREGB),
        .addra(ADDRARDADDR[13:0]), .addrb(ADDRBWRADDR[13:0]),
        .dia(DIADI), .dib(DIBDI), .dipa(DIPADIP), .dipb(DIPBDIP), .wea(WEA), .web(WEBWE),
        .doa(DOADO), .dob(DOBDO), .dopa(DOPADOP), .dopb(DOPBDOP)
    );
endmodule

module RAMB36E1 #(
    parameter RAM_MODE = "TDP",
    parameter READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0,
    parameter WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST",
    parameter DOA_REG = 0, DOB_REG = 0,
    parameter RAM_EXTENSION_A = "NONE", RAM_EXTENSION_B = "NONE",
    parameter [71:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0,
    parameter [255:0] INITP_00 = 0, INITP_01 = 0, INITP_02 = 0, INITP_03 = 0, INITP_04 = 0, INITP_05 = 0,
    parameter [255:0] INITP_06 = 0, INITP_07 = 0, INITP_08 = 0, INITP_09 = 0, INITP_0A = 0, INITP_0B = 0,
    parameter [255:0] INITP_0C = 0, INITP_0D = 0, INITP_0E = 0, INITP_0F = 0,
    parameter [255:0] INIT_00 = 0, INIT_01 = 0, INIT_02 = 0, INIT_03 = 0, INIT_04 = 0, INIT_05 = 0,
    parameter [255:0] INIT_06 = 0, INIT_07 = 0, INIT_08 = 0, INIT_09 = 0, INIT_0A = 0, INIT_0B = 0,
    parameter [255:0] INIT_0C = 0, INIT_0D = 0, INIT_0E = 0, INIT_0F = 0, INIT_10 = 0, INIT_11 = 0,
    parameter [255:0] INIT_12 = 0, INIT_13 = 0, INIT_14 = 0, INIT_15 = 0, INIT_16 = 0, INIT_17 = 0,
    parameter [255:0] INIT_18 = 0, INIT_19 = 0, INIT_1A = 0, INIT_1B = 0, INIT_1C = 0, INIT_1D = 0,
    parameter [255:0] INIT_1E = 0, INIT_1F = 0, INIT_20 = 0, INIT_21 = 0, INIT_22 = 0, INIT_23 = 0,
    parameter [255:0] INIT_24 = 0, INIT_25 = 0, INIT_26 = 0, INIT_27 = 0, INIT_28 = 0, INIT_29 = 0,
    parameter [255:0] INIT_2A = 0, INIT_2B = 0, INIT_2C = 0, INIT_2D = 0, INIT_2E = 0, INIT_2F = 0,
    parameter [255:0] INIT_30 = 0, INIT_31 = 0, INIT_32 = 0, INIT_33 = 0, INIT_34 = 0, INIT_35 = 0,
    parameter [255:0] INIT_36 = 0, INIT_37 = 0, INIT_38 = 0, INIT_39 = 0, INIT_3A = 0, INIT_3B = 0,
    parameter [255:0] INIT_3C = 0, INIT_3D = 0, INIT_3E = 0, INIT_3F = 0, INIT_40 = 0, INIT_41 = 0,
    parameter [255:0] INIT_42 = 0, INIT_43 = 0, INIT_44 = 0, INIT_45 = 0, INIT_46 = 0, INIT_47 = 0,
    parameter [255:0] INIT_48 = 0, INIT_49 = 0, INIT_4A = 0, INIT_4B = 0, INIT_4C = 0, INIT_4D = 0,
    parameter [255:0] INIT_4E = 0, INIT_4F = 0, INIT_50 = 0, INIT_51 = 0, INIT_52 = 0, INIT_53 = 0,
    parameter [255:0] INIT_54 = 0, INIT_55 = 0, INIT_56 = 0, INIT_57 = 0, INIT_58 = 0, INIT_59 = 0,
    parameter [255:0] INIT_5A = 0, INIT_5B = 0, INIT_5C = 0, INIT_5D = 0, INIT_5E = 0, INIT_5F = 0,
    parameter [255:0] INIT_60 = 0, INIT_61 = 0, INIT_62 = 0, INIT_63 = 0, INIT_64 = 0, INIT_65 = 0,
    parameter [255:0] INIT_66 = 0, INIT_67 = 0, INIT_68 = 0, INIT_69 = 0, INIT_6A = 0, INIT_6B = 0,
    parameter [255:0] INIT_6C = 0, INIT_6D = 0, INIT_6E = 0, INIT_6F = 0, INIT_70 = 0, INIT_71 = 0,
    parameter [255:0] INIT_72 = 0, INIT_73 = 0, INIT_74 = 0, INIT_75 = 0, INIT_76 = 0, INIT_77 = 0,
    parameter [255:0] INIT_78 = 0, INIT_79 = 0, INIT_7A = 0, INIT_7B = 0, INIT_7C = 0, INIT_7D = 0,
    parameter [255:0] INIT_7E = 0, INIT_7F = 0
) (
    input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB,
    input RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
    input [15:0] ADDRARDADDR, ADDRBWRADDR,
    input [31:0] DIADI, DIBDI,
    input [3:0] DIPADIP, DIPBDIP,
    input [3:0] WEA,
    input [7:0] WEBWE,
    output [31:0] DOADO, DOBDO,
    output [3:0] DOPADOP, DOPBDOP
);
    xc7_block_ram #(
        .BYTES(4096), .PINS(4), .RAM_MODE(RAM_MODE),
        .READ_WIDTH_A(READ_WIDTH_A), .READ_WIDTH_B(READ_WIDTH_B),
        .WRITE_WIDTH_A(WRITE_WIDTH_A), .WRITE_WIDTH_B(WRITE_WIDTH_B),
        .WRITE_MODE_A(WRITE_MODE_A), .WRITE_MODE_B(WRITE_MODE_B),
        .REGISTER_A(DOA_REG), .REGISTER_B(DOB_REG),
        .CASCADED(RAM_EXTENSION_A != "NONE" || RAM_EXTENSION_B != "NONE"),
        .CONTENTS({
            INIT_7F, INIT_7E, INIT_7D, INIT_7C, INIT_7B, INIT_7A, INIT_79, INIT_78, INIT_77, INIT_76,
            INIT_75, INIT_74, INIT_73, INIT_72, INIT_71, INIT_70, INIT_6F, INIT_6E, INIT_6D, INIT_6C,
            INIT_6B, INIT_6A, INIT_69, INIT_68, INIT_67, INIT_66, INIT_65, INIT_64, INIT_63, INIT_62,
            INIT_61, INIT_60, INIT_5F, INIT_5E, INIT_5D, INIT_5C, INIT_5B, INIT_5A, INIT_59, INIT_58,
            INIT_57, INIT_56, INIT_55, INIT_54, INIT_53, INIT_52, INIT_51, INIT_50, INIT_4F, INIT_4E,
            INIT_4D, INIT_4C, INIT_4B, INIT_4A, INIT_49, INIT_48, INIT_47, INIT_46, INIT_45, INIT_44,
            INIT_43, INIT_42, INIT_41, INIT_40, INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A,
            INIT_39, INIT_38, INIT_37, INIT_36, INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30,
            INIT_2F, INIT_2E, INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28, INIT_27, INIT_26,
            INIT_25, INIT_24, INIT_23, INIT_22, INIT_21, INIT_20, INIT_1F, INIT_1E, INIT_1D, INIT_1C,
            INIT_1B, INIT_1A, INIT_19, INIT_18, INIT_17, INIT_16, INIT_15, INIT_14, INIT_13, INIT_12,
            INIT_11, INIT_10, INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B, INIT_0A, INIT_09, INIT_08,
            INIT_07, INIT_06, INIT_05, INIT_04, INIT_03, INIT_02, INIT_01, INIT_00}),
        .PARITY({
            INITP_0F, INITP_0E, INITP_0D, INITP_0C, INITP_0B, INITP_0A, INITP_09, INITP_08, INITP_07, INITP_06,
            INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00})
    ) ram (
        .clka(CLKARDCLK), .clkb(CLKBWRCLK), .ena(ENARDEN), .enb(ENBWREN),
        .rsta(RSTRAMARSTRAM | RSTREGARSTREG), .rstb(RSTRAMB | RSTREGB),
        .regcea(REGCEAREGCE), .regceb(REGCEB), .rstrega(RSTREGARSTREG), .rstregb(RSTREGB),
        .addra(ADDRARDADDR[14:0]), .addrb(ADDRBWRADDR[14:0]),
        .dia(DIADI), .dib(DIBDI), .dipa(DIPADIP), .dipb(DIPBDIP), .wea(WEA), .web(WEBWE),
        .doa(DOADO), .dob(DOBDO), .dopa(DOPADOP), .dopb(DOPBDOP)
    );
endmodule
