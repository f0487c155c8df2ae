"""The systolic array: processing elements, their XNOR-popcounts and products, tiles, the drain along each row."""
