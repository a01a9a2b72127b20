"""Scoring: what the events of a drill come to. Pure folds over the journal."""
