"""Walk: lead a queue message from decision to decision."""
