"""What Signum costs and how fast it is: each module measures one table of docs/performance.md."""
