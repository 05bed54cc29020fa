"""A small PlanT: a transformer over object and route tokens that imitates the lane follower."""
