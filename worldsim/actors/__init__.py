"""The other road users: their state, and the model that moves them."""
