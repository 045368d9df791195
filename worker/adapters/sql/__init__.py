"""The ledger on SQL: SQLAlchemy Core with Alembic migrations."""
