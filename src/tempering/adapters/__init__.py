"""The same distribution and draw inside other people's loops: torch, transformers, llama-cpp-python."""
