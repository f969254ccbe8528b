"""A pipeline in a terminal: fip top, fip status, fip jobs, and the progress of fip run."""
