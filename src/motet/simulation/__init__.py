"""The autoscaler tried out: the production engine on virtual time, against a load that was made or recorded."""
