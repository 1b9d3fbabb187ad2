"""One site: the node that looks at frames, and the gate, the only way out. Imports messaging alone."""
