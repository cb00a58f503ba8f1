"""What to do after a refusal, in words: for the page that a browser gets instead of what it asked.

By reason code where there is more to say than its status does.
"""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from app.trust import errors

_BY_CODE = {
    errors.PermissionDeniedError.code: _l(
        "Ask an owner for a role that has the permission; the page Roles says which have it."
    ),
    errors.NeedsApprovalError.code: _l(
        "Go back and propose the change: someone else approves it on the page Proposals."
    ),
    errors.OwnProposalError.code: _l("Ask someone else to approve it on the page Proposals."),
    errors.SignInRefusedError.code: _l(
        "Ask whoever runs the identity provider for a role here, or an owner to enable the account."
    ),
    errors.IdentityTokenError.code: _l(
        "Begin again at the sign-in page, in one tab and within ten minutes."
    ),
    errors.RevealDisabledError.code: _l(
        "Whoever runs the server can turn it on with the setting broker.secret_reveal."
    ),
    errors.StoreUnavailableError.code: _l(
        "Nothing was changed. Reload in a moment; when it stays so, the database needs mending."
    ),
}
_BY_STATUS = {
    400: _l("Go back: mend what the sentence above names, and send it again."),
    403: _l("Go back. Whoever may do this can do it for you."),
    404: _l("Check the address, or look for it in its list: it may have been taken away."),
    405: _l("Go back, and use the buttons of the page."),
    409: _l("Go back and reload: see what is there now, and do it again if it is still wanted."),
    413: _l("Send less, or do it from the terminal."),
    422: _l("Nothing was changed. What was shown does not verify, so get it anew and try again."),
    429: _l("Wait a minute, then go back and try again."),
    503: _l("Nothing was changed. Reload in a moment; the overview says which part does not work."),
}
_OTHERWISE = _l("Go back and try again; the server's log says more, by the id of this request.")


def next_step(status: int, code: str) -> str:
    """A sentence for who got this status and reason code."""
    return str(_BY_CODE.get(code) or _BY_STATUS.get(status) or _OTHERWISE)
