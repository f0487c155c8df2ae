"""Tests of the lines of boards."""
