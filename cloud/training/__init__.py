"""Fine-tuning of a detector: plan, batches, augmentation, training loop, choice of thresholds."""
