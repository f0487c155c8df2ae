"""Tests of `golden.training.tasks`."""
