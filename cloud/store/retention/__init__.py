"""What is deleted from the database after its time."""
