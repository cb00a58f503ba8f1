"""Pages of operators' accounts: who there is, what each role may, and every change of one."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.blueprints.console.forms import OperatorForm, RoleForm
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, recently_authenticated
from app.blueprints.parsing import page_limit
from app.console.operators import Operator
from app.console.permissions import PERMISSIONS, Permission, Role
from app.trust.errors import ConflictError, MalformedRequestError


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_accounts(bp)
    _add_changes(bp)
    _add_states(bp)
    _add_roles(bp)


def _add_accounts(bp: Blueprint) -> None:
    @bp.get("/operators")
    @access(Permission.OPERATOR_MANAGE)
    def operators() -> ResponseReturnValue:
        after, limit = request.args.get("after") or None, page_limit()
        page = services().operators.page(after=after, limit=limit)
        names = [each.name for each in page]
        return render_template(
            "console/operators/list.html",
            operators=page,
            with_second_factor=services().sign_ins.second_factors.among(names),
            after=after,
            next=names[-1] if len(names) == limit else None,
        )

    @bp.route("/operators/new", methods=["GET", "POST"])
    @access(Permission.OPERATOR_MANAGE)
    @recently_authenticated
    def new_operator() -> ResponseReturnValue:
        form = OperatorForm()
        if not form.validate_on_submit():
            return render_template("console/operators/new.html", form=form)
        name = (form.name.data or "").strip()
        try:
            password = services().operators.create(name, Role(form.role.data), actor())
        except (MalformedRequestError, ConflictError) as error:
            form.name.errors = [error.message]
            return render_template("console/operators/new.html", form=form), 400
        # Not by a redirect: the password would have to be kept somewhere in between.
        return render_template("console/operators/password.html", name=name, password=password)


def _add_changes(bp: Blueprint) -> None:
    @bp.get("/operators/change")
    @access(Permission.OPERATOR_MANAGE)
    @recently_authenticated
    def change_operator() -> ResponseReturnValue:
        operator = _operator(request.args.get("name", ""))
        return _change_page(operator, RoleForm(data={"role": operator.role.value}))

    @bp.post("/operators/role")
    @access(Permission.OPERATOR_MANAGE)
    @recently_authenticated
    def change_role() -> ResponseReturnValue:
        operator = _operator(request.form.get("name", ""))
        form = RoleForm()
        if not form.validate():
            return _change_page(operator, form), 400
        try:
            changed = services().operators.change_role(operator.name, Role(form.role.data), actor())
        except ConflictError as error:
            form.role.errors = [error.message]
            return _change_page(operator, form), 409
        flash(
            _(
                "%(name)s is %(role)s from the next sign-in on.",
                name=changed.name,
                role=changed.role,
            )
        )
        return redirect(url_for(".operators"), 303)

    @bp.post("/operators/reset")
    @access(Permission.OPERATOR_MANAGE)
    @recently_authenticated
    def reset_operator() -> ResponseReturnValue:
        operator = _operator(request.form.get("name", ""))
        password = services().operators.reset(operator.name, actor())
        return render_template(
            "console/operators/password.html", name=operator.name, password=password
        )


def _add_states(bp: Blueprint) -> None:
    @bp.post("/operators/disable")
    @access(Permission.OPERATOR_MANAGE)
    @recently_authenticated
    def disable_operator() -> ResponseReturnValue:
        operator = _operator(request.form.get("name", ""))
        try:
            services().operators.disable(operator.name, actor())
        except ConflictError as error:
            form = RoleForm(None, role=operator.role.value)
            return _change_page(operator, form, refused=error.message), 409
        return _changed(operator, _("%(name)s is disabled.", name=operator.name))

    @bp.post("/operators/enable")
    @access(Permission.OPERATOR_MANAGE)
    @recently_authenticated
    def enable_operator() -> ResponseReturnValue:
        operator = _operator(request.form.get("name", ""))
        services().operators.enable(operator.name, actor())
        return _changed(operator, _("%(name)s may sign in again.", name=operator.name))

    @bp.post("/operators/second-factor")
    @access(Permission.OPERATOR_MANAGE)
    @recently_authenticated
    def remove_operators_second_factor() -> ResponseReturnValue:
        operator = _operator(request.form.get("name", ""))
        services().sign_ins.second_factors.remove(operator.name, actor())
        text = _("%(name)s signs in with the password alone.", name=operator.name)
        return _changed(operator, text)

    @bp.post("/operators/sessions/end")
    @access(Permission.OPERATOR_MANAGE)
    @recently_authenticated
    def end_session() -> ResponseReturnValue:
        operator = _operator(request.form.get("name", ""))
        handle = request.form.get("handle", "")
        services().console_sessions.revoke(handle, actor(), of=operator.name)
        return _changed(operator, _("The session has ended."))


def _add_roles(bp: Blueprint) -> None:
    @bp.get("/roles")
    @access(Permission.OVERVIEW_READ)
    def roles() -> ResponseReturnValue:
        table = [
            (permission, [permission in PERMISSIONS[role] for role in Role])
            for permission in sorted(Permission)
        ]
        return render_template("console/operators/roles.html", roles=list(Role), table=table)


def _change_page(operator: Operator, form: RoleForm, refused: str = "") -> str:
    return render_template(
        "console/operators/change.html",
        operator=operator,
        form=form,
        refused=refused,
        has_second_factor=services().sign_ins.second_factors.is_on(operator.name),
        sessions=services().console_sessions.page(operator=operator.name),
    )


def _changed(operator: Operator, text: str) -> ResponseReturnValue:
    flash(text)
    return redirect(url_for(".change_operator", name=operator.name), 303)


def _operator(name: str) -> Operator:
    operator = services().operators.find(name)
    if operator is None:
        abort(404, "There is no operator of this name.")
    return operator
