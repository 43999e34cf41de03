"""The three pages of a sign-in: account picker, error, and the form that takes an answer back to the application."""

from collections.abc import Mapping, Sequence

from jinja2 import Environment
from starlette.responses import HTMLResponse

from fulfillment_conformance.emulator.identity.errors import NO_STORE
from fulfillment_conformance.emulator.identity.settings import User

_LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 10vh auto; max-width: 26rem; padding: 0 1rem; color: #1b1b1b }
button { display: block; width: 100%; margin: .5rem 0; padding: .75rem 1rem; border: 1px solid #8a8886;
  background: #fff; text-align: left; font: inherit; cursor: pointer }
button:hover, button:focus { border-color: #0067b8 }
small { display: block; color: #5c5c5c }
</style>
</head>
<body>
<h1>{{ title }}</h1>
"""

_ENVIRONMENT = Environment(autoescape=True)

_PICKER = _ENVIRONMENT.from_string(
    _LAYOUT
    + """<p>Application {{ client_id }} asks who you are. These accounts exist in the emulator only.</p>
<form method="post" action="{{ action }}">
{% for user in users %}<button name="account" value="{{ user.name }}">{{ user.display_name }} ({{ user.name }})
<small>{{ user.user_principal_name }}</small></button>
{% endfor %}<button name="cancel" value="yes">Cancel</button>
</form>
</body>
</html>
"""
)

_ERROR = _ENVIRONMENT.from_string(
    _LAYOUT
    + """<p>{{ description }}</p>
</body>
</html>
"""
)

_FORM_POST = _ENVIRONMENT.from_string(
    """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Working...</title></head>
<body>
<form method="post" name="hiddenform" action="{{ action }}">
{% for name, value in fields.items() %}<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}<noscript><p>Script is disabled. Press Continue.</p><input type="submit" value="Continue"></noscript>
</form>
<script>document.forms[0].submit()</script>
</body>
</html>
"""
)


def account_picker(users: Sequence[User], *, client_id: str, action: str) -> HTMLResponse:
    """Return the page on which somebody says who they are; `action` is where the choice is posted."""
    html = _PICKER.render(title="Pick an account", users=users, client_id=client_id, action=action)
    return HTMLResponse(html, headers=NO_STORE)


def error(description: str, *, status: int) -> HTMLResponse:
    """Return the page for an error that cannot be reported to the application."""
    html = _ERROR.render(title="Sign-in is not possible", description=description)
    return HTMLResponse(html, status_code=status, headers=NO_STORE)


def form_post(action: str, fields: Mapping[str, str]) -> HTMLResponse:
    """Return the page that posts the answer to the application's redirect URI by itself."""
    return HTMLResponse(_FORM_POST.render(action=action, fields=fields), headers=NO_STORE)
