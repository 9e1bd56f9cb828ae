"""Training: settings, the loop, metrics, checkpoints, the run folder and its report."""
