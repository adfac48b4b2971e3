"""What the doctor makes of what it saw: facts in, findings out."""
