"""Makes products of complete series: a process outside the server, as the service account."""
