"""Decide: plain functions over plain values."""
