"""Sprites of the objects in a drawn street: fire, smoke, furniture, potholes, garbage, people, vehicles."""
