// Pads and block RAMs of ECP5, of which Yosys has no models for simulation.
// Only what netlists of ours hold is modelled: another mode of a cell names a module that there is not, and what only
// shows later ends the simulation.

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

// ECP5: FPGA-TN-02204, once TN1264 (memory usage guide). Ports of 1, 2 and 4 bits; or of 9 and 18 bits, their bytes
// enabled by the lowest bits of the address; or a port of 36 bits that writes (the inputs of both, port A's address) and one that reads (port B's).
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
  localparam WIDE = DATA_WIDTH_B == 36, NARROW = DATA_WIDTH_A < 9;
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
    if (NARROW ? DATA_WIDTH_A > 4 || DATA_WIDTH_B > 4 : DATA_WIDTH_A % 9 != 0 || DATA_WIDTH_B % 9 != 0 || (WIDE && DATA_WIDTH_A != 36)
        || CLKAMUX != "CLKA" || CLKBMUX != "CLKB"
        || CSDECODE_A != "0b000" || CSDECODE_B != "0b000") block_ram_of_another_kind kind();
    if (NARROW) begin
      assign out_a[35:16] = 0, out_b[35:16] = 0;
      block_ram_bits #(.BITS_A(DATA_WIDTH_A), .BITS_B(DATA_WIDTH_B), .MODE_A(MODE_A), .MODE_B(MODE_B)) ram(
        .clk(CLKA),
        .enable_a(CEA), .write_a(WEA), .address_a(address_a), .in_a(in_a[15:0]), .out_a(out_a[15:0]),
        .enable_b(CEB), .write_b(WEB), .address_b(address_b), .in_b(in_b[15:0]), .out_b(out_b[15:0]));
    end else
      block_ram_bytes #(.BYTES_A(DATA_WIDTH_A / 9), .BYTES_B(DATA_WIDTH_B / 9), .MODE_A(MODE_A), .MODE_B(MODE_B)) ram(
        .clk(CLKA),
        .enable_a(CEA), .write_a(WEA ? bytes_a : 4'd0), .address_a(address_a), .in_a({in_b, in_a}), .out_a(out_a),
        .enable_b(CEB), .write_b(WEB ? bytes_b : 4'd0), .address_b(address_b), .in_b({18'd0, in_b}), .out_b(out_b));
  endgenerate
  always @(posedge CLKA)
    if (RSTA || RSTB || {CSA2, CSA1, CSA0, CSB2, CSB1, CSB0} != 0) $fatal(1, "a block RAM must be selected, not reset");
endmodule
