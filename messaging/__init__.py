"""The ground: the words that cross the wire, and the wire. Imports nothing of ours."""
