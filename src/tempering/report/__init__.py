"""What is shown: figures, the self-contained HTML page, the terminal table. Knows results; computes nothing new."""
