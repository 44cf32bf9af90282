"""Latency, efficiency, memory and quality, measured."""
