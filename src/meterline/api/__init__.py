"""HTTP: wire shapes, resources, authentication and errors."""
