"""The table of all settings, for the README and docs/configuration.md."""

from pydantic.fields import FieldInfo

from worker.settings.fields import Settings
from worker.settings.loading import default_text

HEAD = "| setting | default | meaning |\n|---|---|---|\n"


def settings_table_markdown() -> str:
    """Return every setting with its default and meaning as a Markdown table."""
    fields = Settings.model_fields.items()
    return HEAD + "".join(
        f"| `{name.upper()}` | {_default(field)} | {field.description} |\n"
        for name, field in fields
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None:
        return "host name"
    return "not set" if field.default is None else f"`{default_text(field)}`"
