"""Benchmarks of area, clock and speed: each module measures one record of docs/performance."""
