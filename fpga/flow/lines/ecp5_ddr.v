// Cells at the pins of an RGMII PHY of ECP5, for simulation. Delays are left out: the data at the pins must change between
// the edges of their clock. ECP5: FPGA-TN-02035 (high-speed I/O interface).

module DELAYG(input A, output Z);
  parameter DEL_MODE = "", DEL_VALUE = 0;
  assign Z = A;
endmodule

// The levels at a rising edge and at the falling edge behind it, both from the next rising edge on.
module IDDRX1F(input D, SCLK, output reg Q0, Q1);
  reg rising, falling;
  initial {Q0, Q1, rising, falling} = 4'b0;
  always @(posedge SCLK) begin
    rising <= D;
    Q0 <= rising;
    Q1 <= falling;
  end
  always @(negedge SCLK) falling <= D;
endmodule

// The first level while the clock is high, the second while it is low.
module ODDRX1F(input D0, D1, SCLK, output Q);
  reg first, second;
  initial {first, second} = 2'b0;
  always @(posedge SCLK) begin
    first <= D0;
    second <= D1;
  end
  assign Q = SCLK ? first : second;
endmodule

module FD1S3BX(input D, CK, PD, output reg Q);
  initial Q = 1'b1;
  always @(posedge CK, posedge PD)
    if (PD) Q <= 1'b1;
    else Q <= D;
endmodule
