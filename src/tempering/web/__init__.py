"""The page that shows temperature at work, and the OpenAI-compatible endpoint: HTTP around the library."""
