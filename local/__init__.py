"""The bundle on one machine: the servers, a generated cohort, the demo. Not part of the distribution."""
