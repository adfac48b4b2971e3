"""How what was put aside gets back on its queue: what `refused requeue` and `dlq redrive` have in common."""
