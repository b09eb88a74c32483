"""Reads `mrdata.yaml`."""

from __future__ import annotations

from pathlib import Path

from policy.zone.settings import Settings, SettingsError, settings_from


def load_settings(path: str | Path) -> Settings:
    """The site's settings. SettingsError names the file, the key and what is wrong."""
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            return settings_from(yaml.safe_load(file))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except (SettingsError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
