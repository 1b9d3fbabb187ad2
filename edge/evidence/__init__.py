"""Evidence that the detector erred: its sources, the idle-time teacher, the collector of misdetections."""
