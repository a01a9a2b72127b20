"""What all services share: settings from the environment, logs, time, errors, controls, and a process that stops gracefully."""
