"""PostgreSQL: connections, migrations, and one module of queries an aggregate."""
