"""The receiver: what comes over the network becomes integrations in a spool. It waits for nobody."""
