"""The choice between light, dark, and what the browser prefers; kept in a cookie, which holds nothing else.

The server must know the theme, because it sends the colours of charts: a script states what the browser
prefers in the cookie and loads the page again when the server did not know.
"""

from nicegui import ui

COOKIE = "blindspot_theme"
_NEXT = {"light": "dark", "dark": "light"}
_DETECT = f"""
<script>
(() => {{
  const known = document.cookie.match(/(?:^|; ){COOKIE}=/);
  if (known || !navigator.cookieEnabled) return;
  const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.cookie = "{COOKIE}=" + preferred + "; path=/; max-age=31536000; samesite=lax";
  if (preferred === "dark") location.reload();
}})();
</script>
"""


def present_theme() -> str:
    """`light` or `dark`: the theme of the request that opened the page."""
    return "dark" if ui.context.client.request.cookies.get(COOKIE) == "dark" else "light"


def theme_switch() -> None:
    """A button that changes the theme; the page is loaded again in its colours."""
    theme = present_theme()
    other = _NEXT[theme]
    ui.add_head_html(_DETECT)
    ui.dark_mode(theme == "dark")
    script = (
        f'document.cookie = "{COOKIE}={other}; path=/; max-age=31536000; samesite=lax"; location.reload()'
    )
    button = ui.button(icon="dark_mode" if other == "dark" else "light_mode")
    button.props(f'flat round dense aria-label="Change to the {other} theme"')
    button.on("click", js_handler=f"() => {{ {script} }}")
