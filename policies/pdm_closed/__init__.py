"""PDM-Closed: the best of fifteen proposals that follow the lane."""
