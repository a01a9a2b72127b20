"""The frame of the application: what all of its screens share, and bringing a drill up."""
