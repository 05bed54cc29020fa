"""The search for failures, and their probability: samplers and estimators over the parameters of a scenario."""
