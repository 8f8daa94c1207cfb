"""An independent checker of certificates, in exact and ball arithmetic."""
