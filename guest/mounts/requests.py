"""What is asked to be mounted, as upstream's SecureMount has it (guest.md, section 7.6)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from guest.errors import MalformedMountError
from guest.wire.errors import WireError
from guest.wire.json_types import JSONObject, JSONValue
from guest.wire.members import object_value, text_member
from guest.wire.strict_json import parse_json_object

BLOCK_DEVICE = "block-device"
OBJECT_STORAGE = "alibaba-cloud-oss"

_NAME_LIMIT = 4096
_MEMBERS = frozenset({"volume_type", "options", "flags", "mount_point"})
# Of options, one may be a sealed secret.
_OPTION_LIMIT = 1024 * 1024
_MAX_OPTIONS = 64


@dataclass(frozen=True, slots=True)
class MountRequest:
    """One volume and where it is to appear.

    Attributes:
        volume_type: ``block-device`` or ``alibaba-cloud-oss``.
        options: of that type, all of them text; some are secrets.
        mount_point: absolute path, without dot segments.
    """

    volume_type: str
    options: Mapping[str, str] = field(repr=False)
    mount_point: str

    @classmethod
    def parse(cls, text: bytes) -> MountRequest:
        """The JSON that upstream's tools read.

        Raises:
            MalformedMountError: it is no such object.
        """
        try:
            members = parse_json_object(text)
            volume_type = text_member(members, "volume_type", limit=_NAME_LIMIT)
            options = _texts(object_value(members.get("options"), "the member options"))
            mount_point = text_member(members, "mount_point", limit=_NAME_LIMIT)
        except WireError as error:
            raise MalformedMountError(f"the request to mount: {error}") from error
        flags = members.get("flags", [])
        if not isinstance(flags, list) or not members.keys() <= _MEMBERS:
            raise MalformedMountError(
                f"a request has {', '.join(sorted(_MEMBERS))}; flags is a list"
            )
        return cls.checked(volume_type, options, flags, mount_point)

    @classmethod
    def checked(
        cls,
        volume_type: str,
        options: Mapping[str, str],
        flags: Collection[JSONValue],
        mount_point: str,
    ) -> MountRequest:
        """A request from its parts.

        Raises:
            MalformedMountError: the mount point is no absolute path, or there are flags, which
                stock guests pass over.
        """
        if flags:
            raise MalformedMountError("no flags are known, and none is passed over")
        if len(options) > _MAX_OPTIONS or any(
            len(each) > _OPTION_LIMIT for each in options.values()
        ):
            raise MalformedMountError("there are too many options, or one is too long")
        segments = mount_point.split("/")
        is_plain = segments[0] == "" and not {".", ".."} & set(segments)
        if not is_plain or not mount_point.isprintable() or mount_point.strip("/") == "":
            raise MalformedMountError("the mount point must be an absolute path, and not the root")
        return cls(volume_type, options, mount_point)


class Options:
    """Options of a volume: what is not taken out is unknown."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)

    def text(self, name: str) -> str | None:
        """An option, or ``None`` when it is missing or empty."""
        return self._given.pop(name, "") or None

    def needed(self, name: str) -> str:
        """An option that has to be there.

        Raises:
            MalformedMountError: it is missing or empty.
        """
        value = self.text(name)
        if value is None:
            raise MalformedMountError(f"the option {name} must be there")
        return value

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str:
        """One of a few texts.

        Raises:
            MalformedMountError: it is another, or missing without a default.
        """
        value = self.text(name) or default
        if value not in choices or value is None:
            raise MalformedMountError(f"the option {name} is one of {', '.join(sorted(choices))}")
        return value

    def close(self) -> None:
        """Refuse what nobody took.

        Raises:
            MalformedMountError: there are unknown options; each may be meant to protect.
        """
        if self._given:
            raise MalformedMountError(f"unknown options: {', '.join(sorted(self._given))}")


def _texts(members: JSONObject) -> dict[str, str]:
    texts = {name: value for name, value in members.items() if isinstance(value, str)}
    if len(texts) != len(members):
        raise WireError("every option is text")
    return texts
