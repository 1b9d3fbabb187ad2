"""Texts that nobody means: scripts, right-to-left text with emoji, and a very long one."""

SCRIPT = "<script>window.attacked = 1</script><img src=x onerror='window.attacked = 1'>"
RIGHT_TO_LEFT = "\u202e\u0645\u0631\u062d\u0628\u0627 👩\u200d🚒🔥"
LONG = "x" * 10_000
TEXTS = {"script": SCRIPT, "right to left": RIGHT_TO_LEFT, "long": LONG}
