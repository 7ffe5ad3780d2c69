"""What travels to a server when an app is deployed: its source, found, read and sent. Runs wherever programs do."""
