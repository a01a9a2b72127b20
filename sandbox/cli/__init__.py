"""The command: data on stdout, diagnostics on stderr, exit codes from one enum. Each subcommand is imported when it is called."""
