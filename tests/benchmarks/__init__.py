"""Figures of the daemon against a bare loop on the same stand-in; run by hand, never by pytest."""
