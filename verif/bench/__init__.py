"""What tests share: simulation runners, cocotb benches, drivers, monitors and random cases."""
