"""Inside a sandbox: a supervisor that runs commands and does for clients what they ask of it."""
