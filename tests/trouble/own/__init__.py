"""Further examples of each kind of trouble, made here."""
