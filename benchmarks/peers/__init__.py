"""Other libraries, each used as its own documentation says. Each has a module that imports it at the top."""
