"""Sockets that systemd opened, and those that are listened on here."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from guest.errors import ListenError
from guest.listening import adopt, inherited_sockets, listen_unix

PID = 4711


@pytest.mark.parametrize(
    ("count", "names"),
    [("", "api"), ("x", "api"), ("-1", "api"), ("2", "api"), ("1", "api:hub"), ("2", "api:api")],
)
def test_refuses_variables_that_contradict_each_other(count: str, names: str) -> None:
    """A socket without a known use is not listened on by guess."""
    given = {"LISTEN_PID": str(PID), "LISTEN_FDS": count, "LISTEN_FDNAMES": names}
    with pytest.raises(ListenError):
        inherited_sockets(given, PID)


def test_refuses_more_sockets_than_there_can_be() -> None:
    """Names are counted before anything is done with them."""
    names = ":".join(map(str, range(17)))
    given = {"LISTEN_PID": str(PID), "LISTEN_FDS": "17", "LISTEN_FDNAMES": names}
    with pytest.raises(ListenError):
        inherited_sockets(given, PID)


@pytest.mark.parametrize("pid", ["", "1", "4711 "])
def test_sockets_of_another_process_are_not_taken(pid: str) -> None:
    """The variables may have been passed on by mistake."""
    given = {"LISTEN_PID": pid, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "api"}
    assert inherited_sockets(given, PID) == {}
    assert inherited_sockets({}, PID) == {}


def test_sockets_have_the_names_of_their_units() -> None:
    """Descriptors begin at 3."""
    given = {"LISTEN_PID": str(PID), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "hub:api"}
    assert inherited_sockets(given, PID) == {"hub": 3, "api": 4}


def test_adopts_only_what_listens(tmp_path: Path) -> None:
    """Neither a file nor a socket that is connected."""
    left, right = socket.socketpair()
    with left, right, pytest.raises(ListenError, match="does not listen"):
        adopt(os.dup(left.fileno()))
    with (tmp_path / "file").open("wb") as file, pytest.raises(ListenError, match="no socket"):
        adopt(os.dup(file.fileno()))


def test_an_adopted_socket_is_not_passed_on(tmp_path: Path) -> None:
    """To programs that are started."""
    with listen_unix(tmp_path / "socket") as listener:
        descriptor = os.dup(listener.fileno())
        os.set_inheritable(descriptor, True)
        with adopt(descriptor) as adopted:
            assert not adopted.get_inheritable()
            assert adopted.family == socket.AF_UNIX
