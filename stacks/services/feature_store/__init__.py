"""The feature store: online weather by airport, materialised on the drill's calendar, over HTTP."""
