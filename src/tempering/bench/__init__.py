"""What a draw costs: rules, shapes and peers, as ratios within one run."""
