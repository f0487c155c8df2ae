// What Yosys has no model of for simulation, or none that Verilator takes: pads of iCE40 and ECP5, block RAMs of ECP5
// and Gowin. Only what netlists of ours hold is modelled: another mode of a cell names a module that there is not, and
// what only shows later ends the simulation.

// iCE40: Lattice's iCE Technology Library. An input without a register, and an output that is always enabled.

module SB_IO(
    inout PACKAGE_PIN,
    input LATCH_INPUT_VALUE, CLOCK_ENABLE, INPUT_CLK, OUTPUT_CLK, OUTPUT_ENABLE, D_OUT_0, D_OUT_1,
    output D_IN_0, D_IN_1);
  parameter [5:0] PIN_TYPE = 0;
  parameter PULLUP = 0;
  parameter IO_STANDARD = "";
  generate
    if (PIN_TYPE == 6'b101001) begin
      assign PACKAGE_PIN = D_OUT_0;
      always @* if (!OUTPUT_ENABLE) $fatal(1, "an output must be enabled");
    end else if (PIN_TYPE != 6'b000001) pad_of_another_kind kind();
  endgenerate
  assign D_IN_0 = PACKAGE_PIN;
endmodule

module SB_GB_IO(
    inout PACKAGE_PIN,
    output GLOBAL_BUFFER_OUTPUT,
    input LATCH_INPUT_VALUE, CLOCK_ENABLE, INPUT_CLK, OUTPUT_CLK, OUTPUT_ENABLE, D_OUT_0, D_OUT_1,
    output D_IN_0, D_IN_1);
  parameter [5:0] PIN_TYPE = 0;
  parameter PULLUP = 0;
  parameter IO_STANDARD = "";
  generate
    if (PIN_TYPE != 6'b000001) pad_of_another_kind kind();
  endgenerate
  assign GLOBAL_BUFFER_OUTPUT = PACKAGE_PIN;
  assign D_IN_0 = PACKAGE_PIN;
endmodule

// ECP5: FPGA-TN-02032 (sysI/O usage guide).
module TRELLIS_IO(inout B, input I, T, output O);
  parameter DIR = "";
  generate
    if (DIR == "INPUT") assign O = B;
    else if (DIR == "OUTPUT") begin
      assign B = I;
      always @* if (T) $fatal(1, "an output must be enabled");
    end else pad_of_another_kind kind();
  endgenerate
endmodule

// Two ports of 1, 2 or 4 bytes of 9 bits on 2,048 bytes that begin with zeros; both have one clock. A port's `mode` is
// what it reads where it writes: 0 nothing, 1 the new bytes, 2 the old ones. What one port reads where the other writes
// in the same cycle is not specified by the makers: here it is wrong.
module block_ram_bytes #(parameter BYTES_A = 1, BYTES_B = 1, MODE_A = 0, MODE_B = 0) (
    input clk,
    input enable_a, input [3:0] write_a, input [13:0] address_a, input [35:0] in_a, output reg [35:0] out_a,
    input enable_b, input [3:0] write_b, input [13:0] address_b, input [35:0] in_b, output reg [35:0] out_b);
  reg [8:0] bytes [0:2047];
  integer i;
  initial for (i = 0; i < 2048; i = i + 1) bytes[i] = 0;
  wire [10:0] first_a = address_a[13:3] & ~11'(BYTES_A - 1), first_b = address_b[13:3] & ~11'(BYTES_B - 1);
  wire [3:0] takes_a = enable_a ? write_a : 4'd0, takes_b = enable_b ? write_b : 4'd0;
  wire [10:0] ahead_a = first_a - first_b, ahead_b = first_b - first_a;
  always @(posedge clk) begin
    for (i = 0; i < BYTES_A; i = i + 1) begin
      if (takes_a[i]) bytes[first_a + 11'(i)] <= in_a[9 * i +: 9];
      if (enable_a && (MODE_A != 0 || write_a == 0))
        out_a[9 * i +: 9] <=
          ahead_a + 11'(i) < BYTES_B && takes_b[2'(ahead_a + 11'(i))] ? ~bytes[first_a + 11'(i)] :
          MODE_A == 1 && write_a[i] ? in_a[9 * i +: 9] : bytes[first_a + 11'(i)];
    end
    for (i = 0; i < BYTES_B; i = i + 1) begin
      if (takes_b[i]) bytes[first_b + 11'(i)] <= in_b[9 * i +: 9];
      if (enable_b && (MODE_B != 0 || write_b == 0))
        out_b[9 * i +: 9] <=
          ahead_b + 11'(i) < BYTES_A && takes_a[2'(ahead_b + 11'(i))] ? ~bytes[first_b + 11'(i)] :
          MODE_B == 1 && write_b[i] ? in_b[9 * i +: 9] : bytes[first_b + 11'(i)];
    end
  end
endmodule

// ECP5: FPGA-TN-02204, once TN1264 (memory usage guide). Ports of 9 and 18 bits, their bytes enabled by the lowest bits
// of the address; or a port of 36 bits that writes (the inputs of both, port A's address) and one that reads (port B's).
// Which half of 36 bits comes out of which port is as Yosys has it; OCEB enables both output registers, as in nextpnr.
module DP16KD(
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1,
    input DIA0, ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
    output DOA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1,
    input DIB0, ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
    output DOB0);
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG", RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "ENABLED";
  parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000", WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB";
  localparam WIDE = DATA_WIDTH_B == 36;
  localparam MODE_A = WRITEMODE_A == "NORMAL" ? 0 : WRITEMODE_A == "WRITETHROUGH" ? 1 : 2;
  localparam MODE_B = WRITEMODE_B == "NORMAL" ? 0 : WRITEMODE_B == "WRITETHROUGH" ? 1 : 2;
  wire [17:0] in_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3,
                      DIA2, DIA1, DIA0};
  wire [17:0] in_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3,
                      DIB2, DIB1, DIB0};
  wire [13:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire [3:0] bytes_a = DATA_WIDTH_A == 9 ? 4'd1 : DATA_WIDTH_A == 18 ? {2'd0, address_a[1:0]} : address_a[3:0];
  wire [3:0] bytes_b = DATA_WIDTH_B == 9 ? 4'd1 : {2'd0, address_b[1:0]};
  wire [35:0] out_a, out_b;
  // with an output register ("OUTREG"), a port's words come a cycle later; a port of 36 bits has one for each half
  wire [17:0] low = WIDE ? out_b[17:0] : out_a[17:0], high = WIDE ? out_b[35:18] : out_b[17:0];
  reg [17:0] kept_a, kept_b;
  always @(posedge CLKA) if (WIDE ? OCEB : OCEA) kept_a <= low;
  always @(posedge CLKB) if (OCEB) kept_b <= high;
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
          DOA0} = REGMODE_A == "OUTREG" ? kept_a : low;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
          DOB0} = REGMODE_B == "OUTREG" ? kept_b : high;
  generate
    if (DATA_WIDTH_A % 9 != 0 || DATA_WIDTH_B % 9 != 0 || (WIDE && DATA_WIDTH_A != 36)
        || CLKAMUX != "CLKA" || CLKBMUX != "CLKB"
        || CSDECODE_A != "0b000" || CSDECODE_B != "0b000") block_ram_of_another_kind kind();
  endgenerate
  block_ram_bytes #(.BYTES_A(DATA_WIDTH_A / 9), .BYTES_B(DATA_WIDTH_B / 9), .MODE_A(MODE_A), .MODE_B(MODE_B)) ram(
    .clk(CLKA),
    .enable_a(CEA), .write_a(WEA ? bytes_a : 4'd0), .address_a(address_a), .in_a({in_b, in_a}), .out_a(out_a),
    .enable_b(CEB), .write_b(WEB ? bytes_b : 4'd0), .address_b(address_b), .in_b({18'd0, in_b}), .out_b(out_b));
  always @(posedge CLKA)
    if (RSTA || RSTB || {CSA2, CSA1, CSA0, CSB2, CSB1, CSB0} != 0) $fatal(1, "a block RAM must be selected, not reset");
endmodule

// Gowin: UG285 (BSRAM and SSRAM). Ports of 9, 18 and 36 bits, their bytes enabled by the lowest bits of the address.
module DPX9B(
    input CLKA, CEA, CLKB, CEB, OCEA, OCEB, RESETA, RESETB, WREA, WREB,
    input [13:0] ADA, ADB,
    input [17:0] DIA, DIB,
    input [2:0] BLKSELA, BLKSELB,
    output [17:0] DOA, DOB);
  parameter READ_MODE0 = 0, READ_MODE1 = 0, WRITE_MODE0 = 0, WRITE_MODE1 = 0, BIT_WIDTH_0 = 18, BIT_WIDTH_1 = 18;
  parameter BLK_SEL_0 = 0, BLK_SEL_1 = 0, RESET_MODE = "SYNC";
  wire [3:0] bytes_a = BIT_WIDTH_0 == 9 ? 4'd1 : {2'd0, ADA[1:0]}, bytes_b = BIT_WIDTH_1 == 9 ? 4'd1 : {2'd0, ADB[1:0]};
  wire [35:0] out_a, out_b;
  assign DOA = out_a[17:0], DOB = out_b[17:0];
  generate
    if (READ_MODE0 != 0 || READ_MODE1 != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0) block_ram_of_another_kind kind();
  endgenerate
  block_ram_bytes #(.BYTES_A(BIT_WIDTH_0 / 9), .BYTES_B(BIT_WIDTH_1 / 9),
                    .MODE_A(WRITE_MODE0), .MODE_B(WRITE_MODE1)) ram(
    .clk(CLKA),
    .enable_a(CEA), .write_a(WREA ? bytes_a : 4'd0), .address_a(ADA), .in_a({18'd0, DIA}), .out_a(out_a),
    .enable_b(CEB), .write_b(WREB ? bytes_b : 4'd0), .address_b(ADB), .in_b({18'd0, DIB}), .out_b(out_b));
  always @(posedge CLKA)
    if (RESETA || RESETB || {BLKSELA, BLKSELB} != 0) $fatal(1, "a block RAM must be selected, not reset");
endmodule

module SDPX9B(
    input CLKA, CEA, CLKB, CEB, OCE, RESETA, RESETB,
    input [13:0] ADA, ADB,
    input [2:0] BLKSELA, BLKSELB,
    input [35:0] DI,
    output [35:0] DO);
  parameter READ_MODE = 0, BIT_WIDTH_0 = 36, BIT_WIDTH_1 = 36, BLK_SEL_0 = 0, BLK_SEL_1 = 0, RESET_MODE = "SYNC";
  wire [3:0] bytes = BIT_WIDTH_0 == 9 ? 4'd1 : BIT_WIDTH_0 == 18 ? {2'd0, ADA[1:0]} : ADA[3:0];
  generate
    if (READ_MODE != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0) block_ram_of_another_kind kind();
  endgenerate
  block_ram_bytes #(.BYTES_A(BIT_WIDTH_0 / 9), .BYTES_B(BIT_WIDTH_1 / 9)) ram(
    .clk(CLKA), .enable_a(CEA), .write_a(bytes), .address_a(ADA), .in_a(DI), .out_a(),
    .enable_b(CEB), .write_b(4'd0), .address_b(ADB), .in_b(36'd0), .out_b(DO));
  always @(posedge CLKA)
    if (RESETA || RESETB || {BLKSELA, BLKSELB} != 0) $fatal(1, "a block RAM must be selected, not reset");
endmodule

module SPX9(
    output [35:0] DO,
    input [35:0] DI,
    input [2:0] BLKSEL,
    input [13:0] AD,
    input WRE, CLK, CE, OCE, RESET);
  parameter READ_MODE = 0, WRITE_MODE = 0, BIT_WIDTH = 36, BLK_SEL = 0, RESET_MODE = "SYNC";
  wire [3:0] bytes = BIT_WIDTH == 9 ? 4'd1 : BIT_WIDTH == 18 ? {2'd0, AD[1:0]} : AD[3:0];
  generate
    if (READ_MODE != 0 || BLK_SEL != 0) block_ram_of_another_kind kind();
  endgenerate
  block_ram_bytes #(.BYTES_A(BIT_WIDTH / 9), .MODE_A(WRITE_MODE)) ram(
    .clk(CLK), .enable_a(CE), .write_a(WRE ? bytes : 4'd0), .address_a(AD), .in_a(DI), .out_a(DO),
    .enable_b(1'b0), .write_b(4'd0), .address_b(14'd0), .in_b(36'd0), .out_b());
  always @(posedge CLK) if (RESET || BLKSEL != 0) $fatal(1, "a block RAM must be selected, not reset");
endmodule
