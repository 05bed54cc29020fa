"""LayoutModel: towns that are made, street by street, in the manner of recorded ones."""
