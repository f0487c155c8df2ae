// Pads of iCE40 for Verilator, which takes none of Yosys's models of them.
// Only what netlists of ours hold is modelled: another mode of a cell names a module that there is not, and what only
// shows later ends the simulation.

// Lattice's iCE Technology Library. An input without a register, and an output that is always enabled.

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
