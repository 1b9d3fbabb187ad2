"""Fine-tuning of a detector: plan, mix, augmentation, training, choice of thresholds."""
