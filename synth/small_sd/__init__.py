"""How the bundled small Stable Diffusion is trained (`python -m synth.small_sd`), and its checkpoint."""
