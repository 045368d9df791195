"""Every setting of the worker, read from the environment and nowhere else."""

from worker.settings.credentials import ClientCredentials, Credentials
from worker.settings.fields import ConnectionValues, KafkaSettings, LedgerSettings, Settings
from worker.settings.loading import SettingsError, load_settings
from worker.settings.table import settings_table_markdown

__all__ = [
    "ClientCredentials",
    "ConnectionValues",
    "Credentials",
    "KafkaSettings",
    "LedgerSettings",
    "Settings",
    "SettingsError",
    "load_settings",
    "settings_table_markdown",
]
