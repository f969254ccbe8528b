"""Keys: a CURVE pair for each role on each host, and the list of the public ones that are let in.

A private key is a file ROLE.key that nobody but its owner reads; it names the ventilator's public key, too, so that
it is all that a peer needs beside the ventilator's address. The list is public; the ventilator and the sink read it.
"""

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import zmq
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fip.config import Config, Security
from fip.data.errors import ConfigError
from fip.layout.cluster import hosts

Role = Literal["ventilator", "sink", "worker", "follower", "receiver", "operator", "viewer"]
PublicKey = Annotated[str, Field(pattern=r"^[0-9A-Za-z.:+=^!/*?&<>()\[\]{}@%$#-]{40}$")]  # Z85 of 32 bytes
ROLES: tuple[Role, ...] = get_args(Role)
PEOPLE = "people"  # stands for the host of the keys of those who type commands
PEOPLES_ROLES: tuple[Role, ...] = ("operator", "viewer")
LIST = "allowed.toml"
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""The variable in which systemd gives a daemon the folder of its credentials (systemd.exec(5))."""


class PrivateKey(BaseModel):
    """One peer's pair, as it is in its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    host: str
    public: PublicKey
    secret: PublicKey = Field(repr=False)
    ventilator: PublicKey  # the public key of the ventilator that it belongs to


@dataclass(frozen=True)
class Holder:
    """The owner of a public key."""

    role: Role
    host: str

    def __str__(self) -> str:
        return f"{self.role} key of {self.host}"


Allowed = Mapping[str, Holder]
"""The owner of each public key, for all that are let in."""

_LISTED = TypeAdapter(dict[Role, dict[str, tuple[PublicKey, ...]]])


def private_key(security: Security, *roles: Role) -> PrivateKey | None:
    """Return the key of the first of these roles that has one, None if there is none.

    It is looked for in `[security] keys`; if that is not set, among systemd's credentials; and a person's at last in
    ~/.config/fip. Raises ConfigError if `[security] keys` has none, or for a file that is not such a key, or that
    others may read.
    """
    folders = [security.keys] if security.keys else []
    if not folders and CREDENTIALS in os.environ:
        folders.append(Path(os.environ[CREDENTIALS]))
    if not folders and set(roles) <= set(PEOPLES_ROLES):
        folders.append(Path.home() / ".config" / "fip")
    for path in (folder / f"{role}.key" for folder in folders for role in roles):
        found = _read_key(path)
        if found:
            if found.role not in roles:
                raise ConfigError(f"{path}: is a {found.role} key; a {roles[0]} key is due here")
            return found
    if security.keys:
        names = " or ".join(f"{role}.key" for role in roles)
        raise ConfigError(f"security.keys: there is no {names} in {security.keys}; `fip keys` makes it")
    return None


def read_allowed(path: Path) -> Allowed:
    """The list of those who are let in. Raises ConfigError."""
    holders: dict[str, Holder] = {}
    for role, keys_of in _read_list(path).items():
        for host, keys in keys_of.items():
            for key in keys:
                if holders.setdefault(key, Holder(role, host)) != Holder(role, host):
                    raise ConfigError(f"{path}: {key} is listed as {holders[key]} and as {Holder(role, host)}")
    return holders


def make_keys(config: Config, folder: Path, renew: Sequence[str] = ()) -> list[str]:
    """Make what a layout lacks: FOLDER/HOST/ROLE.key, FOLDER/people/ROLE.key and the list; say what was done.

    Keys that are there are kept, but those of `renew` (as "HOST/ROLE"): a new one replaces the file, and is listed
    beside the old, which is let in until its line is removed and the list read again. Raises ConfigError.
    """
    wanted = _wanted(config)
    for name in renew:
        if name not in {f"{host}/{role}" for host, role in wanted}:
            raise ConfigError(f"--renew {name}: there is no such key; there are " + ", ".join(map("/".join, wanted)))
        if name.endswith("/ventilator"):
            raise ConfigError(f"--renew {name}: all other keys name it; make new ones of all in another folder")
    listed = {role: dict(keys) for role, keys in _read_list(folder / LIST, missing_ok=True).items()}
    said, ventilator, new = [], "", {}
    for host, role in wanted:
        path = folder / host / f"{role}.key"
        key = _read_key(path)
        its_keys = listed.setdefault(role, {})
        if key and f"{host}/{role}" not in renew:
            unlisted = "" if key.public in its_keys.get(host, ()) else f"; {LIST} does not list it"
            said.append(f"{path} is kept{unlisted}")
        else:
            public, secret = (half.decode() for half in zmq.curve_keypair())
            key = new[path] = PrivateKey(
                role=role, host=host, public=public, secret=secret, ventilator=ventilator or public
            )
            its_keys[host] = (key.public, *its_keys.get(host, ()))
            said.append(f"{path} is new")
        ventilator = ventilator or key.public
        if key.ventilator != ventilator:
            raise ConfigError(f"{path}: names another ventilator's key; remove it, or the folder, and make it anew")
    _write(folder / LIST, _list_text(listed), 0o644)
    for path, key in new.items():
        lines = [f"# The {Holder(key.role, key.host)}: keep it secret. Made by `fip keys`."]
        lines += [f"{name} = {json.dumps(value)}" for name, value in key]
        _write(path, "\n".join(lines) + "\n", 0o600)
    return said


def _wanted(config: Config) -> list[tuple[str, Role]]:
    """(host, role) of all keys of a layout, the ventilator's first."""
    roles: list[tuple[str, Role]] = [(host, role) for role in ROLES for host in hosts(config, role)]
    roles += [(host, "operator") for host in hosts(config, "monitor")]  # it cancels jobs for people
    ventilators = hosts(config, "ventilator")
    if len(ventilators) != 1:
        found = " and ".join(ventilators) or "none"
        raise ConfigError(f"node: one host must run the ventilator (found {found}); the keys follow the layout")
    return roles + [(PEOPLE, role) for role in PEOPLES_ROLES]


def _read_key(path: Path) -> PrivateKey | None:
    """Return the key in a file; None if there is no file, or one that says nothing, as an empty credential."""
    content = _toml(path, missing_ok=True)
    if not content:
        return None
    mode = path.stat().st_mode & 0o777
    if mode & 0o077 and str(path.parent) != os.environ.get(CREDENTIALS):  # systemd guards its own, by lists of rights
        raise ConfigError(f"{path}: others may read this private key (mode {mode:04o}); `chmod 600 {path}`")
    try:
        return PrivateKey.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: is not a key as `fip keys` makes them: {_faults(error)}") from None


def _read_list(path: Path, missing_ok: bool = False) -> dict[Role, dict[str, tuple[str, ...]]]:
    try:
        return _LISTED.validate_python(_toml(path, missing_ok))
    except ValidationError as error:
        raise ConfigError(f"{path}: is not a list as `fip keys` makes it: {_faults(error)}") from None


def _faults(error: ValidationError) -> str:
    """Say what is wrong in which place, without the values: they may be secret."""
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())


def _toml(path: Path, missing_ok: bool = False) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise ConfigError(f"{path}: is not there; `fip keys` makes it") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # TOML, or text
        raise ConfigError(f"{path}: is not TOML: {error}") from None


def _list_text(listed: Mapping[Role, Mapping[str, tuple[str, ...]]]) -> str:
    lines = [
        "# Who is let in: public keys by role and host, made by `fip keys`. The ventilator and the sink read it when",
        "# they start and when they are told to reload; a key that is removed here is refused from then on.",
    ]
    for role in (role for role in ROLES if role in listed):
        lines.append(f"\n[{role}]")
        lines += [f"{json.dumps(host)} = {json.dumps(keys)}" for host, keys in listed[role].items()]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all, never readable by more than `mode` says. Raises ConfigError."""
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700 if mode == 0o600 else 0o755, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as file:
            file.write(text)
        new.rename(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
