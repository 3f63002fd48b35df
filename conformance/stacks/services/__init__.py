"""The services of the embedded stack: how each is started, and what tells that it answers."""
