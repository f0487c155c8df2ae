// Block RAMs of Gowin, of which Yosys has no models for simulation.
// Only what netlists of ours hold is modelled: another mode of a cell names a module that there is not, and what only
// shows later ends the simulation.

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

// The same with ports of 1, 2 and 4 bits.
module DPB(
    input CLKA, CEA, CLKB, CEB, OCEA, OCEB, RESETA, RESETB, WREA, WREB,
    input [13:0] ADA, ADB,
    input [15:0] DIA, DIB,
    input [2:0] BLKSELA, BLKSELB,
    output [15:0] DOA, DOB);
  parameter READ_MODE0 = 0, READ_MODE1 = 0, WRITE_MODE0 = 0, WRITE_MODE1 = 0, BIT_WIDTH_0 = 16, BIT_WIDTH_1 = 16;
  parameter BLK_SEL_0 = 0, BLK_SEL_1 = 0, RESET_MODE = "SYNC";
  generate
    if (READ_MODE0 != 0 || READ_MODE1 != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0
        || BIT_WIDTH_0 > 4 || BIT_WIDTH_1 > 4) block_ram_of_another_kind kind();
  endgenerate
  block_ram_bits #(.BITS_A(BIT_WIDTH_0), .BITS_B(BIT_WIDTH_1), .MODE_A(WRITE_MODE0), .MODE_B(WRITE_MODE1)) ram(
    .clk(CLKA),
    .enable_a(CEA), .write_a(WREA), .address_a(ADA), .in_a(DIA), .out_a(DOA),
    .enable_b(CEB), .write_b(WREB), .address_b(ADB), .in_b(DIB), .out_b(DOB));
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
