"""The registry service: archives of trained models, by their ids, on a volume."""
