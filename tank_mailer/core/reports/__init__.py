"""What the reports say: from figures to findings, tables and charts, whatever shows them in the end."""
