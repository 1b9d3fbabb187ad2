"""The pages of login, logout and password: plain HTML forms, which work without scripts."""

from html import escape

from dashboards.markup import Child, Html, element, join

FORM_FIELD = "form_token"


def login_page(
    *,
    form_token: str,
    going_to: str,
    name: str = "",
    fault: str = "",
    others: tuple[tuple[str, str], ...] = (),
) -> str:
    """The login form. `others`: address and text of each other way to log in."""
    return _document(
        "Log in",
        _fault(fault),
        _form(
            "/login",
            form_token,
            _hidden("next", going_to),
            _field("name", "Name", "text", "username", value=name, focus=not name),
            _field("password", "Password", "password", "current-password", focus=bool(name)),
            button="Log in",
        ),
        *(element("p", element("a", text, href=address, cls="other")) for address, text in others),
        element(
            "p",
            "No user yet? Open the address with a token that ",
            element("code", "blindspot-page"),
            " printed at its start, or add a user with ",
            element("code", "blindspot users add NAME --role admin"),
            ".",
            cls="hint",
        ),
    )


def password_page(*, form_token: str, user: str, fault: str = "") -> str:
    """The form in which a user changes their own password."""
    return _document(
        "Change your password",
        _fault(fault),
        _form(
            "/password",
            form_token,
            _hidden("username", user),
            _field("present", "Present password", "password", "current-password", focus=True),
            _field("new", "New password, at least 12 characters", "password", "new-password"),
            _field("again", "The new one again", "password", "new-password"),
            button="Change it",
        ),
        element("p", "All your other sessions end with it.", cls="hint"),
        element("p", element("a", "Back to the pages", href="/")),
    )


def logout_page(*, form_token: str, user: str) -> str:
    """The question whether to log out."""
    return _document(
        "Log out",
        element("p", "You are logged in as ", element("b", user), "."),
        logout_form(form_token),
        element("p", element("a", "Back to the pages", href="/")),
    )


def message_page(title: str, sentence: str) -> str:
    """A page that only states something, with a link to the login."""
    return _document(title, _fault(sentence), element("p", element("a", "Log in", href="/login")))


def logout_form(form_token: str) -> Html:
    """A button that logs out, for any page."""
    return _form("/logout", form_token, button="Log out")


def _document(title: str, *content: Child) -> str:
    head = join(
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", f"{title} – Blindspot"),
        Html('<link rel="stylesheet" href="/login/style.css">'),
    )
    body = element(
        "main",
        element("p", "Blindspot", cls="brand"),
        element("h1", title),
        *content,
        element("p", "Footage never leaves the site.", cls="motto"),
    )
    return f'<!doctype html>\n<html lang="en-GB"><head>{head}</head><body>{body}</body></html>\n'


def _form(action: str, form_token: str, *fields: Html, button: str) -> Html:
    return element(
        "form",
        _hidden(FORM_FIELD, form_token),
        *fields,
        element("button", button, type="submit"),
        method="post",
        action=action,
    )


def _hidden(name: str, value: str) -> Html:
    return _input(name=name, value=value, type="hidden")


def _field(
    name: str, label: str, kind: str, autocomplete: str, *, value: str = "", focus: bool = False
) -> Html:
    given = _input(
        name=name,
        id=name,
        type=kind,
        value=value,
        autocomplete=autocomplete,
        required="",
        autocapitalize="none",
        spellcheck="false",
        autofocus="" if focus else None,
    )
    return element("p", Html(f'<label for="{name}">{join(label)}</label>'), given)


def _input(**attributes: str | None) -> Html:
    given = {name: value for name, value in attributes.items() if value is not None}
    return Html("<input" + "".join(f' {name}="{escape(value)}"' for name, value in given.items()) + ">")


def _fault(sentence: str) -> Html:
    return element("p", sentence, cls="fault", role="alert") if sentence else Html("")
