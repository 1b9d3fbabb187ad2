"""What to generate and where: patches, layouts, prompts, backgrounds."""
