"""Evidence that the detector erred: its sources, the idle-time teacher, and the collector of misdetections."""
