"""What this machine has for isolation levels and limits, and who ends containers that go over theirs."""
