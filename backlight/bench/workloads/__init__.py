"""The workloads of `backlight bench`: a file each, the contenders side by side."""
