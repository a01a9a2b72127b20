"""Names of the styles of text that is less important: variables of the theme."""

MUTED = "$foreground-muted"
FAINT = "$foreground-disabled"
