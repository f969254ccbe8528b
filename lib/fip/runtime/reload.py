"""What became of a daemon's settings when it read its configuration again. Pure."""

from collections.abc import Collection

from fip.config import Config, flatten


def changes(old: Config, new: Config, keys: Collection[str], apart_from: Collection[str] = ()) -> dict[str, str]:
    """The settings that differ, of `keys`, which are dotted or name a table as a whole: of each how, by its key."""
    before, after = (dict(flatten(config.model_dump(mode="json"))) for config in (old, new))
    return {
        key: f"{key} = {after.get(key)!r} (was {before.get(key)!r})"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        and key not in apart_from
        and any(key == each or key.startswith(f"{each}.") for each in keys)
    }
