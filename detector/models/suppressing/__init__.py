"""Boxes of one bird made one: softly suppressed, or fused from several views."""
