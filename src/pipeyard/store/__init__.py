"""The database: tables, queries by noun, migrations, and what is particular to one kind of database."""
