"""Simulator: a network's real tensors on the external-memory path of an accelerator."""
