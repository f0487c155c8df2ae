"""Fuzzing: everything that Signum reads, damaged and made up, against one rule: a right result, or one clear line."""
