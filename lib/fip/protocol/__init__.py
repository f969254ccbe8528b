"""What daemons say to each other, so that nothing is lost and nothing stored twice. `leases` is its heart."""
