"""Widgets that know nothing of drills: rows with a cursor, charts, dialogs."""
