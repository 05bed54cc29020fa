"""What networks are told of a picture before it is made, and asked of it afterwards: conditions, fetched pictures, colours,
objects as cells."""
