"""The five vision tasks: data that ships in packages, networks, losses, metrics, baselines and pictures."""
