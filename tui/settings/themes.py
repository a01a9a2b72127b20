"""The themes. What a colour says is always said by a shape or a word, too; the themes only make it quicker to see."""

from __future__ import annotations

from collections.abc import Mapping

from textual.theme import Theme

DARK, LIGHT = "dark", "light"
SAFE_DARK, SAFE_LIGHT = "colour-blind-dark", "colour-blind-light"
HIGH_CONTRAST = "high-contrast"
DEFAULT = DARK

ABOUT: Mapping[str, str] = {
    DARK: "blue and amber on near black",
    LIGHT: "the same on paper",
    SAFE_DARK: "blue, orange and yellow (Okabe and Ito) on near black: for red-green and blue-yellow blindness",
    SAFE_LIGHT: "the same on paper",
    HIGH_CONTRAST: "white on black, full colours, no shades between",
}
"""What each theme is, by name."""


def themes() -> tuple[Theme, ...]:
    """All of them, in the order of `ABOUT`."""
    return (
        Theme(
            DARK,
            primary="#6cb2ff",
            secondary="#9d8cff",
            accent="#ffb454",
            warning="#ffb454",
            error="#ff6f6f",
            success="#5fd38d",
            foreground="#dde4ec",
            background="#0d1117",
            surface="#141a22",
            panel="#1c242e",
            variables={"block-cursor-background": "#24456b", "block-cursor-foreground": "#ffffff"},
        ),
        Theme(
            LIGHT,
            primary="#0b5cad",
            secondary="#6544c9",
            accent="#a15c00",
            warning="#9a6200",
            error="#c0202f",
            success="#14743a",
            foreground="#1b2430",
            background="#fbfaf7",
            surface="#f3f2ee",
            panel="#e6e5df",
            dark=False,
            variables={"block-cursor-background": "#cfe3f7", "block-cursor-foreground": "#10243a"},
        ),
        Theme(
            SAFE_DARK,
            primary="#56b4e9",
            secondary="#cc79a7",
            accent="#e69f00",
            warning="#f0e442",
            error="#f0843c",
            success="#56b4e9",
            foreground="#e3e6ea",
            background="#0d1015",
            surface="#141920",
            panel="#1d242d",
            variables={"block-cursor-background": "#1f4a66", "block-cursor-foreground": "#ffffff"},
        ),
        Theme(
            SAFE_LIGHT,
            primary="#0072b2",
            secondary="#a84f86",
            accent="#8a5f00",
            warning="#7d6600",
            error="#b84500",
            success="#0072b2",
            foreground="#1b2430",
            background="#fbfaf7",
            surface="#f3f2ee",
            panel="#e6e5df",
            dark=False,
            variables={"block-cursor-background": "#cbe4f3", "block-cursor-foreground": "#0d2636"},
        ),
        Theme(
            HIGH_CONTRAST,
            primary="#00e5ff",
            secondary="#ff9dff",
            accent="#ffff00",
            warning="#ffff00",
            error="#ff6b6b",
            success="#00ff66",
            foreground="#ffffff",
            background="#000000",
            surface="#000000",
            panel="#1c1c1c",
            text_alpha=1.0,
            variables={
                "foreground-muted": "#ffffff",
                "foreground-disabled": "#d0d0d0",
                "text-muted": "#ffffff",
                "text-disabled": "#d0d0d0",
                "block-cursor-background": "#ffffff",
                "block-cursor-foreground": "#000000",
                "footer-key-foreground": "#ffff00",
                "border": "#ffffff",
                "border-blurred": "#a0a0a0",
            },
        ),
    )
