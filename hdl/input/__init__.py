"""The path of the pixels into the activation banks: frames, codes, windows, words."""
