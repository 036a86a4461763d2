"""The command line: one file a command. Parses, calls the library, renders; knows no method."""
