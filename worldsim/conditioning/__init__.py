"""What networks are told of a picture before it is made, and what they are asked of it afterwards."""
