"""Common parts of tests: simulation runners, cocotb benches, drivers, monitors and random cases."""
