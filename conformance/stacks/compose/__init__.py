"""Docker Compose projects as stacks: found, vetted, resolved, and run under names of the kit's own."""
