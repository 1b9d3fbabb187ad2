"""Who may use the cloud, and what each may do: users, sessions, API tokens."""
