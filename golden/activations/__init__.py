"""Activation codecs: run lengths, zero masks, scan orders, bypass policies and the tile stream."""
