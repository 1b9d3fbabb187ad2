"""What every request passes: who it is from, what that may do, the audit log of changes."""
