// A block RAM of two ports, of which those of ECP5 and Gowin are made: with bytes of 9 bits, or with a few bits a word.

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

// As `block_ram_bytes`, with ports of 1, 2 or 4 of 16,384 bits, written as a whole.
module block_ram_bits #(parameter BITS_A = 1, BITS_B = 1, MODE_A = 0, MODE_B = 0) (
    input clk,
    input enable_a, write_a, input [13:0] address_a, input [15:0] in_a, output reg [15:0] out_a,
    input enable_b, write_b, input [13:0] address_b, input [15:0] in_b, output reg [15:0] out_b);
  reg cells [0:16383];
  integer i;
  initial for (i = 0; i < 16384; i = i + 1) cells[i] = 0;
  wire [13:0] first_a = address_a & ~14'(BITS_A - 1), first_b = address_b & ~14'(BITS_B - 1);
  wire [13:0] ahead_a = first_a - first_b, ahead_b = first_b - first_a;
  wire takes_a = enable_a && write_a, takes_b = enable_b && write_b;
  always @(posedge clk) begin
    for (i = 0; i < BITS_A; i = i + 1) begin
      if (takes_a) cells[first_a + 14'(i)] <= in_a[i];
      if (enable_a && (MODE_A != 0 || !write_a))
        out_a[i] <= ahead_a + 14'(i) < BITS_B && takes_b ? ~cells[first_a + 14'(i)] :
                    MODE_A == 1 && write_a ? in_a[i] : cells[first_a + 14'(i)];
    end
    for (i = 0; i < BITS_B; i = i + 1) begin
      if (takes_b) cells[first_b + 14'(i)] <= in_b[i];
      if (enable_b && (MODE_B != 0 || !write_b))
        out_b[i] <= ahead_b + 14'(i) < BITS_A && takes_a ? ~cells[first_b + 14'(i)] :
                    MODE_B == 1 && write_b ? in_b[i] : cells[first_b + 14'(i)];
    end
  end
endmodule
