"""What a drill is: engine, monitor, controllers, scoring, and the shells around them."""
