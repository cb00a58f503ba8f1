"""Pages of operators' accounts: list, create, reset, change the role."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.blueprints.console.forms import OperatorForm, RoleForm
from app.blueprints.deps import services
from app.blueprints.gate import access, actor, recently_authenticated
from app.console.operators import Operator
from app.console.permissions import PERMISSIONS, Permission, Role
from app.trust.errors import ConflictError, MalformedRequestError


def add_to(bp: Blueprint) -> None:
    """Add the routes."""
    _add_accounts(bp)
    _add_changes(bp)


def _add_accounts(bp: Blueprint) -> None:
    @bp.get("/operators")
    @access(Permission.OPERATOR_MANAGE)
    def operators() -> ResponseReturnValue:
        return render_template(
            "console/operators/list.html",
            operators=services().operators.all(),
            roles=[(role, sorted(PERMISSIONS[role])) for role in Role],
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
        flash(f"{changed.name} is {changed.role} from the next sign-in on.")
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


def _change_page(operator: Operator, form: RoleForm) -> str:
    return render_template("console/operators/change.html", operator=operator, form=form)


def _operator(name: str) -> Operator:
    operator = services().operators.find(name)
    if operator is None:
        abort(404, "There is no operator of this name.")
    return operator
