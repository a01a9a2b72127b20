"""The world behind the service: real flights and weather, their calendar, the rows that requests ask for, labels and prices."""
