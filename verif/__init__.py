"""Testbenches, the regression, the soak run and the demo."""
